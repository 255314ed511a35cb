//! Typesetting: spaces, capitals and punctuation.

/// The text written so far. Words are separated by spaces; the first word of a sentence is capitalized.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    /// Whether the next word begins a sentence.
    capital: bool,
    /// Whether the next word follows without a space.
    glued: bool,
}

impl Page {
    pub(super) fn new(capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), capital: true, glued: true }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Writes words, with a space before the first unless a bracket, quote or line begins there.
    pub(super) fn words(&mut self, words: &str) {
        if !std::mem::take(&mut self.glued) {
            self.text.push(' ');
        }
        let mut letters = words.chars();
        if std::mem::take(&mut self.capital) {
            self.text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        }
        self.text.push_str(letters.as_str());
    }

    /// Writes a bracket or quote that opens.
    pub(super) fn open(&mut self, mark: char) {
        if !std::mem::replace(&mut self.glued, true) {
            self.text.push(' ');
        }
        self.text.push(mark);
    }

    /// Writes a mark that belongs to the word before: `,`, `:`, or a bracket or quote that closes.
    pub(super) fn mark(&mut self, mark: char) {
        self.text.push(mark);
    }

    /// Writes a mark that ends a sentence.
    pub(super) fn stop(&mut self, mark: char) {
        self.text.push(mark);
        self.capital = true;
    }

    /// Makes the next word begin a sentence, as at the beginning of a quote.
    pub(super) fn capitalize(&mut self) {
        self.capital = true;
    }

    /// Ends a paragraph or a heading.
    pub(super) fn newline(&mut self) {
        self.text.push('\n');
        self.glued = true;
        self.capital = true;
    }
}
