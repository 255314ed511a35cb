//! Bad input is refused with a typed error, at construction.

#![allow(missing_docs)]

use crate::support::Case;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
use rtrl_cells::{CellConfig, CellError, Gru, Inputs, Masks, QuasiLstm, Size, Stack, Tanh, Vanilla};
use rtrl_estimators::{
    EstimatorConfig, EstimatorError, Influence, Plan, Reach, Scope, SnapConfig, check_weights,
};
use rtrl_sparse::{BlockError, Pattern, PatternError};

fn case() -> Case {
    let layers = vec![CellConfig::Gru(Size::dense(3))];
    Case { layers, inputs: Inputs::Dense(2), lanes: 1, steps: 1, window: 1, seed: 1, resets: false }
}

#[test]
fn masks_of_the_wrong_shape() {
    let mut masks = Masks::dense(3, 2, 3);
    masks.gates[1].recurrent = Pattern::dense(3, 4);
    let error = Gru::new(Inputs::Dense(2), 3, &masks).unwrap_err();
    assert_eq!(error, CellError::Size { what: "columns of a recurrent mask (units)", expected: 3, found: 4 });
    let error = Gru::new(Inputs::Dense(2), 3, &Masks::dense(4, 2, 3)).unwrap_err();
    assert_eq!(error, CellError::Size { what: "number of gate masks", expected: 3, found: 4 });
}

#[test]
fn a_mask_that_disconnects_a_unit() {
    let mut masks = Masks::dense(1, 2, 3);
    masks.gates[0].input = Pattern::from_rows(2, [vec![0], vec![], vec![1]]).unwrap();
    masks.gates[0].recurrent = Pattern::from_rows(3, [vec![0], vec![], vec![1]]).unwrap();
    let error = Vanilla::new(Inputs::Dense(2), 3, &masks, Tanh).unwrap_err();
    assert_eq!(error, CellError::Disconnected { unit: 1 });
}

#[test]
fn zero_sizes() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    for config in CellConfig::every(Size::dense(0)) {
        let error = config.build::<f64>(Inputs::Dense(2), &mut rng).err();
        assert!(matches!(error, Some(CellError::Zero { .. })), "{config:?}: {error:?}");
    }
    for config in CellConfig::every(Size::dense(2)) {
        let error = config.build::<f64>(Inputs::Symbols(0), &mut rng).err();
        assert!(matches!(error, Some(CellError::Zero { .. })), "{config:?}: {error:?}");
    }
    assert!(matches!(Stack::<f64>::new(vec![]).err(), Some(CellError::Zero { what: "layers" })));
    for (lanes, window, what) in [(0, 1, "lanes"), (1, 0, "window")] {
        for config in EstimatorConfig::every() {
            let error = config.build(case().stack::<f64>(), lanes, window).err();
            assert_eq!(error, Some(EstimatorError::Zero { what }), "{config:?}");
        }
    }
    let zero = EstimatorConfig::Snap(SnapConfig { order: 0, ..Default::default() });
    let error = zero.build(case().stack::<f64>(), 1, 1).err();
    assert!(matches!(error, Some(EstimatorError::Zero { .. })), "{error:?}");
}

#[test]
fn sparsities_out_of_range() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    for sparsity in [-0.1, 1.0, f64::NAN] {
        let config = CellConfig::Gru(Size { sparsity, ..Size::dense(3) });
        let error = config.build::<f64>(Inputs::Dense(2), &mut rng).err();
        assert!(matches!(error, Some(CellError::Sparsity { .. })), "{sparsity}: {error:?}");
    }
    let config = CellConfig::Embedding(Size { sparsity: 0.5, ..Size::dense(3) });
    let error = config.build::<f64>(Inputs::Dense(2), &mut rng).err();
    assert!(matches!(error, Some(CellError::Unmasked { what: "sparsity" })), "{error:?}");
    // A sparsity that is in range, but at which no draw connects every unit.
    let config = CellConfig::Vanilla(Size { input_sparsity: 0.99, ..Size::sparse(40, 0.999) });
    let error = config.build::<f64>(Inputs::Dense(2), &mut rng).err();
    assert!(matches!(error, Some(CellError::Disconnected { .. })), "{error:?}");
}

#[test]
fn stacks_that_do_not_fit() {
    let gru = |inputs| Box::new(Gru::new(inputs, 3, &Masks::dense(3, inputs.len(), 3)).unwrap());
    let error = Stack::<f64>::new(vec![gru(Inputs::Dense(2)), gru(Inputs::Dense(4))]).err();
    assert!(matches!(error, Some(CellError::Size { expected: 3, found: 4, .. })), "{error:?}");
    let error = Stack::<f64>::new(vec![gru(Inputs::Dense(2)), gru(Inputs::Symbols(3))]).err();
    assert_eq!(error, Some(CellError::SymbolsAbove { layer: 1 }));
    let error = QuasiLstm::new(Inputs::Dense(2), 3, &Masks::dense(2, 2, 3)).unwrap_err();
    assert_eq!(error, CellError::NotDiagonal { gate: 0 });
}

#[test]
fn weights_that_are_not_numbers() {
    let stack = case().stack::<f64>();
    let mut weights = case().weights(&stack);
    assert_eq!(check_weights(&stack, &weights), Ok(()));
    weights[5] = f64::NAN;
    assert_eq!(check_weights(&stack, &weights), Err(EstimatorError::NotFinite { index: 5 }));
    let error = check_weights(&stack, &weights[1..]).unwrap_err();
    assert!(matches!(error, EstimatorError::Weights { .. }), "{error}");
}

#[test]
fn reaches_that_do_not_fit() {
    let plan = Plan::new(1, 1);
    let stack = case().stack::<f64>();
    let build = |reach: Vec<Vec<u32>>| {
        Influence::<f64>::new(stack.clone(), &Reach::new(reach, Scope::Stack), plan).err()
    };
    let rows = stack.row_jacobian().rows();
    assert!(matches!(build(Vec::new()), Some(EstimatorError::Blocks(BlockError::Size { .. }))));
    let outside = vec![vec![7]; rows];
    assert!(matches!(build(outside), Some(EstimatorError::Blocks(BlockError::Reach { row: 0, .. }))));
    let twice = vec![vec![1, 1]; rows];
    assert!(matches!(build(twice), Some(EstimatorError::Blocks(BlockError::Reach { row: 0, .. }))));
}

#[test]
fn patterns_that_are_not() {
    let bad = |offsets: &[usize], indices: &[u32]| Pattern::new(3, offsets.to_vec(), indices.to_vec());
    assert!(bad(&[0, 2], &[0, 2]).is_ok());
    for (offsets, indices, error) in [
        (&[][..], &[][..], PatternError::Start { found: None }),
        (&[1, 2], &[0, 1], PatternError::Start { found: Some(1) }),
        (&[0, 2, 1], &[0, 1], PatternError::End { expected: 2, found: 1 }),
        (&[0, 2, 1, 2], &[0, 1], PatternError::Decreasing { row: 1 }),
        (&[0, 3], &[0, 1], PatternError::End { expected: 2, found: 3 }),
        (&[0, 2], &[1, 1], PatternError::Order { row: 0 }),
        (&[0, 2], &[1, 0], PatternError::Order { row: 0 }),
        (&[0, 1], &[3], PatternError::Column { row: 0, column: 3, cols: 3 }),
    ] {
        assert_eq!(bad(offsets, indices), Err(error), "{offsets:?} {indices:?}");
    }
}
