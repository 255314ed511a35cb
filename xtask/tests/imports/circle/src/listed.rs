//! Imports `plain` by a path in its code.

pub struct Listed;

impl Listed {
    pub fn plain() -> crate::Plain {
        crate::Plain
    }
}
