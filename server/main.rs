//! The `restante` command.

fn main() -> std::process::ExitCode {
    restante::cli::main()
}
