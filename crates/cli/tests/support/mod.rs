//! Running the program as a user does.

#![allow(dead_code)] // Each test file uses its part.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// The program with these arguments, its three streams piped.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtrl"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program on an input.
pub fn rtrl(args: &[&str], input: &str) -> Output {
    let mut child: Child = command(args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_bytes().to_vec();
    let writer = std::thread::spawn(move || {
        // A program that stops at a bad row does not read the rest.
        drop(stdin.write_all(&input));
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The output of a run that must succeed.
pub fn good_bytes(args: &[&str], input: &str) -> Vec<u8> {
    let output = rtrl(args, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    output.stdout
}

/// The same as text.
pub fn good(args: &[&str], input: &str) -> String {
    String::from_utf8(good_bytes(args, input)).unwrap()
}

/// The message of a run that must end with status 2: the command or its configuration is wrong.
pub fn refused(args: &[&str], input: &str) -> String {
    ended(args, input, 2)
}

/// The message of a run that must end with status 1: something failed. It is the last line, behind notes.
pub fn failed(args: &[&str], input: &str) -> String {
    ended(args, input, 1).lines().last().unwrap_or_default().to_string()
}

/// What a run that must end with this status says on standard error.
pub fn ended(args: &[&str], input: &str, status: i32) -> String {
    let output = rtrl(args, input);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(message.starts_with("error: ") || last.starts_with("error: "), "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}
