//! Imports along the order.

pub struct Third(pub crate::first::First);
