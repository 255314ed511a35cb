//! Calls that do not fit are refused with both sizes, before anything is written.

#![allow(missing_docs)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rtrl_sparse::{
    BlockError, Blocks, Carrying, Lanes, LanesMut, Layout, Linear, Operand, Outers, Pattern, Product,
    Sources, StepValues, Streaming, Windowed,
};
use support::Case;

/// The panic message of a call.
fn refusal(call: impl FnOnce()) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(call));
    std::panic::set_hook(hook);
    let payload = outcome.expect_err("the call was not refused");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().expect("a message").to_string(),
    }
}

/// A part of the panic message that is expected, and the call.
type Wrong<'a> = (&'a str, Box<dyn FnOnce() + 'a>);

#[track_caller]
fn refused(table: Vec<Wrong<'_>>) {
    for (expected, call) in table {
        let said = refusal(call);
        assert!(said.contains(expected), "expected {expected:?}, the call said {said:?}");
    }
}

fn dense<T>(values: &[T], lanes: usize) -> Sources<'_, T> {
    Sources { symbols: &[], dense: Lanes::new(values, lanes) }
}

// One test, since the panic hook belongs to the process.
#[test]
fn wrong_calls_are_refused() {
    products();
    recursions();
    others();
}

/// Products of a map of two rows, two one-hot sources and three dense sources, with 10 weights.
fn products() {
    let linear = &Linear::new(Pattern::dense(2, 5), 2);
    let n = &[1.0_f64; 64][..];
    let z = |len: usize, lanes: usize| Lanes::new(&n[..len * lanes], lanes);
    let u = |symbols: &'static [u32], len: usize, lanes: usize| Sources { symbols, dense: z(len, lanes) };
    let good = u(&[0, 1], 3, 2);
    let multiply = |weights: usize, range: std::ops::Range<usize>, u, rows: usize, lanes: usize, first| {
        let mut out = vec![0.0; rows * lanes];
        linear.multiply(&n[..weights], range, u, &mut LanesMut::new(&mut out, lanes), first);
    };
    let transposed = |weights: usize, range, z, sources: usize, lanes: usize| {
        let mut a = vec![0.0; sources * lanes];
        linear.multiply_transposed(&n[..weights], range, z, &mut LanesMut::new(&mut a, lanes), 0);
    };
    let outer = |range, z, u, gradient: usize| {
        linear.accumulate_outer_rows(range, z, u, &mut vec![0.0; gradient]);
    };
    let mix = |keep: usize, z, u: Sources<'_, f64>, out: usize, lanes: usize, squares: usize| {
        let (mut out, mut squares) = (vec![0.0; out * lanes], vec![0.0; squares]);
        linear.mix_outer(&n[..keep], z, u.dense, &mut LanesMut::new(&mut out, lanes), &mut squares);
    };
    refused(vec![
        ("3 symbols among 2 sources", Box::new(|| drop(Linear::new(Pattern::dense(1, 2), 3)))),
        ("rows 0..3 of a map of 2 rows", Box::new(|| multiply(10, 0..3, good, 3, 2, 0))),
        ("left: 9\n right: 10", Box::new(|| multiply(9, 0..2, good, 2, 2, 0))),
        ("left: 11\n right: 10", Box::new(|| multiply(11, 0..2, good, 2, 2, 0))),
        ("left: (3, 1)\n right: (3, 2)", Box::new(|| multiply(10, 0..2, u(&[0, 1], 3, 1), 2, 2, 0))),
        ("left: (3, 4)\n right: (3, 2)", Box::new(|| multiply(10, 0..2, u(&[0, 1], 3, 4), 2, 2, 0))),
        ("left: (4, 2)\n right: (3, 2)", Box::new(|| multiply(10, 0..2, u(&[0, 1], 4, 2), 2, 2, 0))),
        ("left: 1\n right: 2", Box::new(|| multiply(10, 0..2, u(&[0], 3, 2), 2, 2, 0))),
        ("symbol Some(2) of 2", Box::new(|| multiply(10, 0..2, u(&[0, 2], 3, 2), 2, 2, 0))),
        ("rows 0..2 of z, which holds 0..1", Box::new(|| multiply(10, 0..2, good, 1, 2, 0))),
        ("rows 0..2 of z, which holds 1..3", Box::new(|| multiply(10, 0..2, good, 2, 2, 1))),
        ("left: 9\n right: 10", Box::new(|| transposed(9, 0..2, z(2, 2), 3, 2))),
        ("rows 1..3 of a map of 2 rows", Box::new(|| transposed(10, 1..3, z(2, 2), 3, 2))),
        ("left: 1\n right: 2", Box::new(|| transposed(10, 0..1, z(1, 2), 3, 2))),
        ("left: (3, 1)\n right: (3, 2)", Box::new(|| transposed(10, 0..2, z(2, 2), 3, 1))),
        ("left: (2, 2)\n right: (3, 2)", Box::new(|| transposed(10, 0..2, z(2, 2), 2, 2))),
        ("rows 1..3 of a map of 2 rows", Box::new(|| outer(1..3, z(2, 2), good, 10))),
        ("left: 2\n right: 1", Box::new(|| outer(0..1, z(2, 2), good, 10))),
        ("left: 5\n right: 10", Box::new(|| outer(0..2, z(2, 2), good, 5))),
        ("left: (3, 2)\n right: (3, 1)", Box::new(|| outer(0..2, z(2, 1), good, 10))),
        ("left: (1, 2, 2)\n right: (2, 2, 2)", Box::new(|| mix(1, z(2, 2), good, 10, 2, 2))),
        ("left: 9\n right: 10", Box::new(|| mix(2, z(2, 2), good, 9, 2, 2))),
        ("left: (2, 1, 2)\n right: (2, 2, 2)", Box::new(|| mix(2, z(2, 2), good, 10, 1, 2))),
        ("left: (2, 2, 3)\n right: (2, 2, 2)", Box::new(|| mix(2, z(2, 2), good, 10, 2, 3))),
        ("left: 1\n right: 2", Box::new(|| mix(2, z(1, 2), good, 10, 2, 2))),
    ]);

    let map = Arc::new(linear.clone());
    let mut outers = Outers::new(map.clone(), 2, 8);
    refused(vec![
        ("lanes must be at least 1", Box::new(|| drop(Outers::<f64>::new(map.clone(), 0, 8)))),
        ("left: 1\n right: 2", Box::new(|| outers.push(z(1, 2), good, &mut [0.0; 10]))),
    ]);
    refused(vec![(
        "left: (3, 1)\n right: (3, 2)",
        Box::new(|| outers.push(z(2, 2), u(&[0, 1], 3, 1), &mut [0.0; 10])),
    )]);
    refused(vec![("left: 3\n right: 10", Box::new(|| outers.flush(&mut [0.0; 3])))]);
}

/// Steps and windows of three states in a chain with four inputs, with wrong lengths or lanes of D, G, u and δ.
fn recursions() {
    let case = Case::chain(3, 4);
    let blocks = &Arc::new(case.blocks(Layout::default()));
    let n = &[0.5_f64; 256][..];
    let view = |len: usize, lanes: usize| Lanes::new(&n[..len * lanes], lanes);
    let step = |lanes: [usize; 4], lens: [usize; 4]| StepValues {
        dynamics: view(lens[0], lanes[0]),
        row_jacobian: view(lens[1], lanes[1]),
        sources: dense(&n[..lens[2] * lanes[2]], lanes[2]),
        delta: view(lens[3], lanes[3]),
    };
    let lens = [5, 3, 7, 3];
    assert_eq!([case.dynamics.nnz(), case.jacobian.nnz(), case.weights.cols(), 3], lens);
    let weights = case.weights.nnz();
    let advance = |step, gradient: usize| {
        Streaming::new(blocks.clone(), 4).advance(step, &mut vec![0.0; gradient]);
    };
    let sweep = |step, gradient: usize| {
        Streaming::for_windows(blocks.clone(), 4, 2).sweep(2, |_| step, &mut vec![0.0; gradient]);
    };
    let window = |steps, step, gradient: usize| {
        Windowed::new(blocks.clone(), 4, 2).gradient(steps, |_| step, &mut vec![0.0; gradient]);
    };
    let adjoint = |steps, step, gradient: usize| {
        Carrying::new(blocks.clone(), 4, 2).gradient(steps, |_| step, &mut vec![0.0; gradient]);
    };
    let carry = |steps, step| Carrying::new(blocks.clone(), 4, 2).carry(steps, |_| step);
    let good = step([4; 4], lens);
    advance(good, weights);
    // A mistake that was once accepted: with one lane of u beside four of D, G and δ, a quarter of J was computed.
    for wrong in 0..4 {
        let mut short = lens;
        short[wrong] -= 1;
        let what = ["values of D", "values of G", "dense sources", "entries of δ"][wrong];
        let mut cases = vec![(what, step([4; 4], short))];
        for lanes in [1, 2, 8] {
            let mut mixed = [4; 4];
            mixed[wrong] = lanes;
            cases.push(("lanes of D, G, u and δ", step(mixed, lens)));
        }
        for (what, wrong) in cases {
            refused(vec![
                (what, Box::new(|| advance(wrong, weights))),
                (what, Box::new(|| sweep(wrong, weights))),
                (what, Box::new(|| window(2, wrong, weights))),
                (what, Box::new(|| adjoint(2, wrong, weights))),
                (what, Box::new(|| carry(2, wrong))),
            ]);
        }
    }
    let (gradient, long) = ("entries of the gradient", "a window of 3 steps in memory for 2");
    refused(vec![
        (gradient, Box::new(|| advance(good, weights - 1))),
        (gradient, Box::new(|| sweep(good, weights + 1))),
        (gradient, Box::new(|| window(2, good, 1))),
        (gradient, Box::new(|| adjoint(2, good, 0))),
        (long, Box::new(|| window(3, good, weights))),
        (long, Box::new(|| adjoint(3, good, weights))),
        (long, Box::new(|| carry(3, good))),
        ("lanes must be at least 1", Box::new(|| drop(Streaming::<f64>::new(blocks.clone(), 0)))),
        ("lanes must be at least 1", Box::new(|| drop(Windowed::<f64>::new(blocks.clone(), 0, 1)))),
        ("lanes must be at least 1", Box::new(|| drop(Carrying::<f64>::new(blocks.clone(), 0, 1)))),
    ]);
}

fn others() {
    let (square, n) = (Pattern::dense(2, 2), [1.0_f64; 64]);
    let product = Product::new(&square, Operand::plain(&square), Operand::plain(&square));
    let own = |c: (usize, usize), a: (usize, usize), b: (usize, usize)| {
        let mut out = vec![0.0; c.0 * c.1];
        let view = |(len, lanes)| Lanes::new(&n[..len * lanes], lanes);
        product.accumulate(&mut LanesMut::new(&mut out, c.1), view(a), view(b));
    };
    let shared = |c: (usize, usize), a: (usize, usize), b: usize| {
        let mut out = vec![0.0; c.0 * c.1];
        let a = Lanes::new(&n[..a.0 * a.1], a.1);
        product.accumulate_shared(&mut LanesMut::new(&mut out, c.1), a, &n[..b]);
    };
    refused(vec![
        ("left: 3\n right: 4", Box::new(|| own((3, 2), (4, 2), (4, 2)))),
        ("3 values of A, not 4 or more", Box::new(|| own((4, 2), (3, 2), (4, 2)))),
        ("3 values of B, not 4 or more", Box::new(|| own((4, 2), (4, 2), (3, 2)))),
        ("[2, 1, 2]", Box::new(|| own((4, 2), (4, 1), (4, 2)))),
        ("[2, 2, 4]", Box::new(|| own((4, 2), (4, 2), (4, 4)))),
        ("[2, 4]", Box::new(|| shared((4, 2), (4, 4), 4))),
        ("3 values of B, not 4 or more", Box::new(|| shared((4, 2), (4, 2), 3))),
    ]);
    let mut values = [1.0; 6];
    refused(vec![
        ("lane 5 of 3", Box::new(|| LanesMut::new(&mut values, 3).clear_lane(5))),
        ("7 values are not a whole number", Box::new(|| assert_eq!(Lanes::new(&[0.0_f32; 7], 3).lanes(), 3))),
        ("lanes must be at least 1", Box::new(|| assert_eq!(Lanes::new(&[0.0_f32; 7], 0).lanes(), 0))),
    ]);
    assert_eq!(values, [1.0; 6], "another lane was erased");
    refused(vec![
        (
            "patterns of different shapes",
            Box::new(|| drop(Pattern::dense(2, 2).union(&Pattern::dense(2, 3)))),
        ),
        ("inner sizes", Box::new(|| drop(Pattern::dense(2, 2).product(&Pattern::dense(3, 2))))),
        ("one place per entry", Box::new(|| assert_eq!(Operand::placed(&square, &[0, 1, 2]).place(0), 0))),
    ]);
}

#[test]
fn layouts_that_positions_cannot_count_are_refused() {
    let case = Case::chain(6, 10);
    let laid = |max_index| {
        let linear = Linear::new(case.weights.clone(), 0);
        let operands = (Operand::plain(&case.jacobian), Operand::plain(&case.dynamics));
        let layout = Layout { max_index, ..Layout::default() };
        Blocks::with_layout(linear, operands.0, operands.1, &case.reach, layout)
    };
    // For every limit below the one that is needed, some array is longer.
    let needed = (0..).find(|&max| laid(max).is_ok()).unwrap();
    assert!(needed > 10, "{needed}");
    for max in 0..needed {
        let error = laid(max).unwrap_err();
        assert!(matches!(error, BlockError::TooLarge { found, .. } if found > max as usize), "{error}");
    }
}

#[cfg(feature = "sprs")]
#[test]
fn a_sprs_matrix_cut_out_of_another_is_a_pattern() {
    let indices = vec![0_u32, 1, 0, 2, 3, 1, 3];
    let whole = sprs::CsMatI::<u8, u32, usize>::new((3, 4), vec![0, 2, 5, 7], indices, vec![1; 7]);
    let cut = whole.slice_outer(1..3).to_owned();
    // The offsets of the cut matrix are those of the whole one: they do not begin at 0.
    assert!(!cut.indptr().is_proper());
    let expected = Pattern::from_rows(4, [vec![0, 2, 3], vec![1, 3]]).unwrap();
    assert_eq!(Pattern::from(&cut), expected);
    let columns = whole.to_csc().slice_outer(1..4).to_owned();
    let expected = Pattern::from_rows(3, [vec![0], vec![1, 2], vec![0, 2]]).unwrap();
    assert_eq!(Pattern::from(&columns), expected);
}
