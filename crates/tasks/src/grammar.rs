//! A generated text for training when there is no file: English-like, endless, and full of agreement at a distance.
//!
//! Memory lowers the loss of a byte-level model on this text. The following can be predicted from what was read 5
//! to about 100 characters earlier, better the longer the model remembers:
//!
//! * verbs agree in number with their subject across phrases and clauses about others, and in tense with the rest
//!   of the paragraph, except inside quotes, which are always in the present tense;
//! * `(` is closed by `)` and `[` by `]`, up to two deep; quotes are closed, also in the middle of a sentence;
//! * pronouns agree with the gender and number of the person they stand for, also the pronoun that introduces an
//!   answer;
//! * names of people and towns (invented for this text), numbers of three digits, and lists of things come up again
//!   soon after they were introduced, lists in the same order;
//! * counts agree: things counted aloud, sums, what remains after giving, members of a list;
//! * `either` goes with `or`, `neither` with `nor`, `both` with `and`, `if` with `then`; a question is answered in its
//!   own words; chapters are numbered.
//!
//! The text is ASCII: letters, digits, `.,:?()[]"'`, space and newline.

mod author;
mod page;
mod sentences;
mod words;

/// The first `bytes` bytes of the text of a seed. A larger `bytes` continues the text and does not change its
/// beginning.
///
/// The text is the same on every platform: it is made with integers only, and a named generator. It does not repeat
/// itself.
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
