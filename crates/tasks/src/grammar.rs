//! A text of our own to train on when no file is at hand: English-like, endless, and full of agreement at a distance.
//!
//! A byte-level model gains on this text by remembering. What a reader can foresee from what was read 5 to about 100
//! characters earlier, and the more surely the longer the memory is:
//!
//! * verbs agree in number with their subject across phrases and clauses about others, and in tense with the rest of
//!   the paragraph, except inside quotes, where it is always the present;
//! * `(` is closed by `)` and `[` by `]`, up to two deep; quotes are closed, also in the middle of a sentence;
//! * pronouns agree with the gender and number of whom they stand for, and quotes with who was asked;
//! * names of people and towns (invented anew), numbers of three digits, and lists of things come up again soon after
//!   they were introduced, lists in the same order;
//! * counts agree: things counted aloud, sums, what remains after giving, members of a list;
//! * `either` goes with `or`, `neither` with `nor`, `both` with `and`, `if` with `then`; a question is answered in its
//!   own words; chapters are numbered.
//!
//! The text is lower ASCII: letters, digits, `.,:?()[]"'`, space and newline.

mod author;
mod page;
mod sentences;
mod words;

/// The first `bytes` bytes of the text of a seed. More bytes continue a text, they do not change it.
///
/// Deterministic on every platform: integers only, and a named generator. The text does not repeat.
///
/// ```
/// let text = rtrl_tasks::grammar::generate(0, 10_000);
/// assert!(text.starts_with(b"Chapter 1: "));
/// assert_eq!(rtrl_tasks::grammar::generate(0, 100), text[..100]);
/// ```
#[must_use]
pub fn generate(seed: u64, bytes: usize) -> Vec<u8> {
    let mut author = author::Author::new(seed, bytes);
    while author.page.len() < bytes {
        author.chapter();
    }
    let mut text = author.page.into_bytes();
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests;
