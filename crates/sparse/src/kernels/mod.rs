//! Numeric kernels. The layout they work on is fixed by [`Blocks`](crate::Blocks).

pub(crate) mod adjoint;
pub(crate) mod carry;
pub(crate) mod ceiling;
pub(crate) mod dense_adjoint;
mod diagonal;
pub(crate) mod elementary;
pub(crate) mod gemm;
pub(crate) mod lanewise;
pub(crate) mod linear;
pub(crate) mod matrix;
pub(crate) mod outer;
pub(crate) mod outers;
mod rows;
pub mod simd;
pub(crate) mod single;
pub(crate) mod streaming;
pub(crate) mod transposed;
pub(crate) mod vector;

use crate::product::{Own, Shared};
use adjoint::{Adjoint, Initial};
use carry::Carry;
use ceiling::{Peak, Sweep};
use lanewise::MixOuter;
use linear::Multiply;
use matrix::MatMul;
use outer::Outer;
use outers::Flush;
use streaming::AdvanceAs;
pub(crate) use streaming::tiles;
use transposed::MultiplyTransposed;
use vector::{MatrixVector, RankOne};

/// Every kernel, in a form whose execution has no type parameter but the scalar: each is compiled here, once for each scalar
/// and level, and not again in every crate that uses it.
#[doc(hidden)]
pub enum Computation<'a, T> {
    Multiply(Multiply<'a, T>),
    MultiplyTransposed(MultiplyTransposed<'a, T>),
    Outer(Outer<'a, T>),
    MixOuter(MixOuter<'a, T>),
    Flush(Flush<'a, T>),
    Advance(AdvanceAs<'a, T, true, false>),
    AdvanceLanes(AdvanceAs<'a, T, true, true>),
    AdvanceAlone(AdvanceAs<'a, T, false, false>),
    AdvanceAloneLanes(AdvanceAs<'a, T, false, true>),
    Adjoint(Adjoint<'a, T>),
    Initial(Initial<'a, T>),
    Carry(Carry<'a, T>),
    MatMul(MatMul<'a, T>),
    Shared(Shared<'a, T>),
    Own(Own<'a, T>),
    MatrixVector(MatrixVector<'a, T>),
    RankOne(RankOne<'a, T>),
    Peak(Peak<'a, T>),
    Sweep(Sweep<'a, T>),
}

/// The same expression for whichever kernel it is.
macro_rules! each {
    ($computation:expr, $kernel:ident => $run:expr) => {
        match $computation {
            Computation::Multiply($kernel) => $run,
            Computation::MultiplyTransposed($kernel) => $run,
            Computation::Outer($kernel) => $run,
            Computation::MixOuter($kernel) => $run,
            Computation::Flush($kernel) => $run,
            Computation::Advance($kernel) => $run,
            Computation::AdvanceLanes($kernel) => $run,
            Computation::AdvanceAlone($kernel) => $run,
            Computation::AdvanceAloneLanes($kernel) => $run,
            Computation::Adjoint($kernel) => $run,
            Computation::Initial($kernel) => $run,
            Computation::Carry($kernel) => $run,
            Computation::MatMul($kernel) => $run,
            Computation::Shared($kernel) => $run,
            Computation::Own($kernel) => $run,
            Computation::MatrixVector($kernel) => $run,
            Computation::RankOne($kernel) => $run,
            Computation::Peak($kernel) => $run,
            Computation::Sweep($kernel) => $run,
        }
    };
}
pub(crate) use each;
