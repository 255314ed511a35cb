//! Imports against the order.

use crate::second::Second;

pub struct First(pub Second);
