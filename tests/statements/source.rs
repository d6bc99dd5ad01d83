//! Reads the SQL out of Rust source: just enough of the language to follow a literal, a constant, a `concat!` and the
//! calls chained to it.

use std::collections::HashMap;

/// A piece of source that matters here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// One statement of the source.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) line: usize,
    /// For SQLite and for PostgreSQL.
    pub(super) texts: Vec<String>,
    /// Parameters given to it where it stands.
    pub(super) binds: usize,
    /// Parts are appended that only the running program knows.
    pub(super) open: bool,
}

type Spot = (usize, Token);

/// The tokens with their lines; comments and test modules are left out.
pub(super) fn tokens(source: &str) -> Vec<Spot> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let chars: Vec<char> = source.chars().collect();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let c = chars[at];
        if c == '\n' {
            line += 1;
            at += 1;
        } else if c.is_whitespace() {
            at += 1;
        } else if c == '/' && chars.get(at + 1) == Some(&'/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '"' {
            let start = line;
            let (text, next) = literal(&chars, at + 1, &mut line);
            out.push((start, Token::Text(text)));
            at = next;
        } else if c == '\'' {
            at = character(&chars, at);
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            assert!(
                !(matches!(word.as_str(), "r" | "br") && matches!(chars.get(at), Some('"' | '#'))),
                "line {line}: write SQL in plain string literals"
            );
            out.push((line, Token::Word(word)));
        } else {
            out.push((line, Token::Mark(c)));
            at += 1;
        }
    }
    out
}

/// A string literal from after its quote; where it ends.
fn literal(chars: &[char], mut at: usize, line: &mut usize) -> (String, usize) {
    let mut text = String::new();
    while chars[at] != '"' {
        if chars[at] == '\n' {
            *line += 1;
        }
        if chars[at] == '\\' {
            at += 1;
            match chars[at] {
                'n' => text.push('\n'),
                '\n' => {
                    // A line that goes on: its break and the next line's indentation do not count.
                    while chars[at].is_whitespace() {
                        *line += usize::from(chars[at] == '\n');
                        at += 1;
                    }
                    continue;
                }
                other => text.push(other),
            }
        } else {
            text.push(chars[at]);
        }
        at += 1;
    }
    (text, at + 1)
}

/// Behind a character literal, or behind the quote of a lifetime.
fn character(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        return (at + 3..chars.len()).find(|end| chars[*end] == '\'').map_or(chars.len(), |end| end + 1);
    }
    if chars.get(at + 2) == Some(&'\'') { at + 3 } else { at + 1 }
}

/// The texts that constants and macros without arguments stand for.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Vec<Token>>);

impl Names {
    /// What is known everywhere, and in one file besides.
    pub(super) fn with(&self, file: &[Spot]) -> Self {
        let mut names = Self(self.0.clone());
        names.learn(file);
        names
    }

    /// Takes in `const NAME: &str = …;` and `macro_rules! name { () => { … }; }`.
    pub(super) fn learn(&mut self, tokens: &[Spot]) {
        for (at, (_, token)) in tokens.iter().enumerate() {
            let rest = || tokens[at + 1..].iter().map(|(_, token)| token.clone());
            match token {
                Token::Word(word) if word == "const" => {
                    let Some(Token::Word(name)) = rest().next() else { continue };
                    let value = rest().skip_while(|token| *token != Token::Mark('=')).skip(1);
                    self.0.insert(name, value.take_while(|token| *token != Token::Mark(';')).collect());
                }
                Token::Word(word) if word == "macro_rules" => {
                    let Some(Token::Word(name)) = rest().nth(1) else { continue };
                    let value = rest().skip_while(|token| *token != Token::Mark('>')).skip(2);
                    let value = value.take_while(|token| !matches!(token, Token::Mark('}' | ';'))).collect();
                    self.0.insert(name, value);
                }
                _ => {}
            }
        }
    }

    /// The text an expression stands for, if it can be known, and what follows it.
    fn text<'t>(&self, tokens: &'t [Token]) -> Option<(String, &'t [Token])> {
        match tokens {
            [Token::Text(text), rest @ ..] => Some((text.clone(), rest)),
            [Token::Word(word), Token::Mark('!'), Token::Mark('('), rest @ ..] if word == "concat" => {
                let (mut all, mut rest) = (String::new(), rest);
                loop {
                    match rest {
                        [Token::Mark(')'), rest @ ..] => return Some((all, rest)),
                        [Token::Mark(','), more @ ..] => rest = more,
                        _ => {
                            let (text, more) = self.text(rest)?;
                            all.push_str(&text);
                            rest = more;
                        }
                    }
                }
            }
            [Token::Word(name), Token::Mark('!'), Token::Mark('('), Token::Mark(')'), rest @ ..] => {
                Some((self.text(self.0.get(name)?)?.0, rest))
            }
            [Token::Word(_), Token::Mark(':'), Token::Mark(':'), rest @ ..] => self.text(rest),
            [Token::Word(name), rest @ ..] => Some((self.text(self.0.get(name)?)?.0, rest)),
            _ => None,
        }
    }

    /// The statements of a file; the second list is of calls that cannot be read, which must not be.
    pub(super) fn statements(&self, spots: &[Spot]) -> (Vec<Found>, Vec<String>) {
        let tokens: Vec<Token> = spots.iter().map(|(_, token)| token.clone()).collect();
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for at in 0..tokens.len() {
            let Token::Word(word) = &tokens[at] else { continue };
            let arguments = match word.as_str() {
                "sql" | "insert" => 1,
                "split" => 2,
                _ => continue,
            };
            let before = at.checked_sub(1).map(|at| &tokens[at]);
            if tokens.get(at + 1) != Some(&Token::Mark('('))
                || matches!(before, Some(Token::Mark('.' | ':')))
                || before == Some(&Token::Word("fn".into()))
            {
                continue;
            }
            let mut rest = &tokens[at + 2..];
            let mut texts = Vec::new();
            for n in 0..arguments {
                if n > 0 && rest.first() == Some(&Token::Mark(',')) {
                    rest = &rest[1..];
                }
                let Some((text, more)) = self.text(rest) else { break };
                texts.push(text);
                rest = more;
            }
            let line = spots[at].0;
            if texts.len() < arguments {
                unread
                    .push(format!("line {line}: {word}( with something else than SQL that can be read here"));
                continue;
            }
            if word == "insert" {
                rows(&mut texts[0]);
                let binds = texts[0].matches('$').count();
                found.push(Found {
                    line,
                    texts: vec![texts[0].clone(), texts.remove(0)],
                    binds,
                    open: false,
                });
                continue;
            }
            if arguments == 1 {
                texts.push(texts[0].clone());
            }
            let end = closing(&tokens, at + 1);
            let mut one = Found { line, texts, binds: 0, open: false };
            let after = self.chain(&tokens, end, &mut one);
            if tokens.get(after) == Some(&Token::Mark(';'))
                && let Some(name) = variable(&tokens, at)
            {
                self.follow(&tokens, after, name, &mut one);
            }
            found.push(one);
        }
        (found, unread)
    }

    /// Follows `.bind(…)`, `.push(…)` and their kind from behind a bracket; where the chain ends.
    fn chain(&self, tokens: &[Token], mut at: usize, found: &mut Found) -> usize {
        while let [Token::Mark('.'), Token::Word(call), Token::Mark('('), argument @ ..] =
            &tokens[at.min(tokens.len())..]
        {
            match call.as_str() {
                "bind" => found.binds += 1,
                "push_bind" | "push_list" => {
                    found.binds += 1;
                    let name = format!("${}", found.binds);
                    let name = if call == "push_list" { format!("({name})") } else { name };
                    found.texts.iter_mut().for_each(|text| text.push_str(&name));
                }
                "push" => match self.text(argument) {
                    Some((more, _)) => found.texts.iter_mut().for_each(|text| text.push_str(&more)),
                    None => found.open = true,
                },
                "expect" => {}
                _ => return at,
            }
            at = closing(tokens, at + 2);
        }
        at
    }

    /// Follows the chains of a variable to the end of its block, as if every branch were taken, or to where its name
    /// is given to something else.
    fn follow(&self, tokens: &[Token], mut at: usize, name: &str, found: &mut Found) {
        let mut depth = 0;
        let mut end = tokens.len();
        while at < end && depth >= 0 {
            match &tokens[at] {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth -= 1,
                Token::Word(word) if word == name && tokens[at - 1] != Token::Mark('.') => {
                    let again =
                        matches!(&tokens[at - 1], Token::Word(word) if word == "let" || word == "mut");
                    let own = matches!(&tokens[at + 1..], [Token::Mark('='), Token::Word(word), ..] if word == name);
                    if again && !own {
                        let rest = tokens[at..].iter().position(|token| *token == Token::Mark(';'));
                        end = rest.map_or(end, |length| at + length);
                    }
                    at = self.chain(tokens, at + 1, found);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// Completes `insert into t (a, b) values` with one row of parameters.
fn rows(text: &mut String) {
    let columns =
        text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(list, _)| list);
    let row: Vec<String> = (1..=columns.split(',').count()).map(|n| format!("${n}")).collect();
    text.push_str(&format!(" ({})", row.join(", ")));
}

/// The variable that the expression at `at` is bound to, if it is.
fn variable(tokens: &[Token], at: usize) -> Option<&str> {
    match &tokens[..at] {
        [.., Token::Word(keyword), Token::Word(name), Token::Mark('=')]
            if keyword == "let" || keyword == "mut" =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// Behind the bracket that closes the one at `at`.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Mark('(' | '{' | '[') => depth += 1,
            Token::Mark(')' | '}' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return n + 1;
        }
    }
    tokens.len()
}
