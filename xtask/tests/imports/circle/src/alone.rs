//! Imports nothing: `crate::Plain` stands in a comment, and in tests.

#[cfg(test)]
mod tests {
    use crate::Plain;

    fn plain() -> Plain {
        Plain
    }
}
