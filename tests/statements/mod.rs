//! Every SQL statement of the store is prepared on both databases, and the parameters it names are counted against
//! those it is given: what a compile-time checker does for one database, for two.

mod source;

use std::path::Path;

use sqlx::{AssertSqlSafe, Either, Executor as _, Row as _, SqlSafeStr as _, Statement as _};

use crate::support::{Database, Engine, database};

/// Statements whose text only the running program knows in full. The tests that run them prepare them; a new one
/// needs such a test.
const BUILT_AT_RUN_TIME: usize = 0;

#[tokio::test]
async fn every_statement_can_be_prepared_and_is_given_its_parameters() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("server/store");
    let mut files = Vec::new();
    crate::floors::files(&store, &mut files);
    // The seam itself has no SQL, only the functions that take it.
    files.retain(|file| !file.ends_with("db.rs"));
    let read: Vec<_> =
        files.iter().map(|file| source::tokens(&std::fs::read_to_string(file).unwrap())).collect();
    let mut names = source::Names::default();
    read.iter().for_each(|tokens| names.learn(tokens));

    let (lite, pg) = (Database::new(Engine::Sqlite).await, Database::new(Engine::Postgres).await);
    lite.store().await.close().await;
    let file = format!("sqlite:{}", lite.dir().join("data/restante.db").display());
    let mut lite_connection = sqlx::SqlitePool::connect(&file).await.unwrap().acquire().await.unwrap();
    let name = pg.url().unwrap();
    let mut pg_connection = database::connect(name.rsplit('/').next().unwrap()).await;

    let (mut bad, mut prepared, mut searched, mut built) = (Vec::new(), 0, 0, Vec::new());
    for (file, tokens) in files.iter().zip(&read) {
        let file = file.strip_prefix(&store).unwrap().display();
        let (found, unread) = names.with(tokens).statements(tokens);
        bad.extend(unread.into_iter().map(|why| format!("{file} {why}")));
        for one in found {
            let place = format!("{file} line {}", one.line);
            if one.open || one.texts[0].ends_with(char::is_whitespace) {
                built.push(place);
                continue;
            }
            prepared += 1;
            if one.texts[0].contains("search_text match") && one.texts[0].contains("order by t.rowid") {
                // Searching once for each email, not for all of them at once, takes half a minute in a large account.
                let plan = AssertSqlSafe(format!("explain query plan {}", one.texts[0]));
                let first = sqlx::query(plan).fetch_one(&mut *lite_connection).await.unwrap();
                let first: String = first.get("detail");
                assert!(first.contains("VIRTUAL TABLE"), "{place}: {first}");
                searched += 1;
            }
            let counts = [
                lite_connection
                    .prepare(AssertSqlSafe(one.texts[0].clone()).into_sql_str())
                    .await
                    .map(|statement| count(statement.parameters())),
                pg_connection
                    .prepare(AssertSqlSafe(one.texts[1].clone()).into_sql_str())
                    .await
                    .map(|statement| count(statement.parameters())),
            ];
            for ((engine, text), count) in ["SQLite", "PostgreSQL"].iter().zip(&one.texts).zip(counts) {
                match count {
                    Err(error) => bad.push(format!("{place}: {engine}: {error}\n  {text}")),
                    Ok(wanted) if wanted != one.binds => {
                        bad.push(format!(
                            "{place}: {engine} wants {wanted} parameters, {} bound\n  {text}",
                            one.binds
                        ));
                    }
                    Ok(_) => {}
                }
            }
        }
    }
    println!("{prepared} statements prepared; built at run time: {built:#?}");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(searched > 0, "no search was found");
    assert!(prepared > 50, "{prepared} statements: are they still found?");
    assert_eq!(built.len(), BUILT_AT_RUN_TIME, "{built:#?}");
}

fn count<T>(parameters: Option<Either<&[T], usize>>) -> usize {
    parameters.map_or(0, |parameters| parameters.map_left(<[T]>::len).into_inner())
}

#[test]
fn the_reader_follows_constants_macros_chains_and_variables() {
    let text = r#"
        const T: &str = "select a \
                         from t"; // "not this"
        macro_rules! c { () => { concat!("x", ", y") }; }
        fn f(v: &'static str) { let one = sql(concat!("select ", c!(), " where q = $1 and c = '.'")).bind(v);
            let one = one.push(" and b = ").push_bind(1);
            if x { run(one.push(" limit 1")); } let two = sql(T); let c = '"'; two.push(if a { b } else { c }); }
        fn g() { split("a", super::T).bind(f(1, ")")).expect(1); sql(&format!("x")); insert("insert into t (a, b) values", r) }
        #[cfg(test)] mod tests { sql(anything) }
    "#;
    let tokens = source::tokens(text);
    let mut names = source::Names::default();
    names.learn(&tokens);
    let (found, unread) = names.statements(&tokens);
    let seen: Vec<_> = found.iter().map(|one| (one.texts[0].as_str(), one.binds, one.open)).collect();
    assert_eq!(
        seen,
        [
            ("select x, y where q = $1 and c = '.' and b = $2 limit 1", 2, false),
            ("select a from t", 0, true),
            ("a", 1, false),
            ("insert into t (a, b) values ($1, $2)", 2, false),
        ]
    );
    assert_eq!(found[2].texts[1], "select a from t");
    assert_eq!(unread.len(), 1);
}
