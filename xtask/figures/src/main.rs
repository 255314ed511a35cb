//! `cargo xtask figures`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match rtrl_figures::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(status)
        }
    }
}
