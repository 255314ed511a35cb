//! Masks, initial weights and errors, to the exact number.

#![allow(missing_docs)]

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{
    Cell, CellConfig, CellError, CellStep, Distribution, Gru, GruResetBefore, Inputs, MaskRows, Masks,
    QuasiLstm, Recurrent, Role, Size, Sparsity, Stack, Structure, Tanh, Vanilla, init,
};
use rtrl_sparse::{Pattern, PatternError, Scalar};

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

#[test]
fn erk_shares_out_what_is_kept() {
    // (inputs, units, sparsity): kept weights of the two matrices. The density of a matrix is proportional to
    // (rows + columns) / (rows · columns), so that what it keeps is proportional to rows + columns.
    for ((inputs, units, sparsity), kept) in [
        // 1200 weights, half of them shared out 40 : 60.
        ((10, 30, 0.5), [240.0, 360.0]),
        // 32 : 60 of 480 would be 167 of the 60 that the input matrix has: the rest goes to the other.
        ((2, 30, 0.5), [60.0, 420.0]),
        // 103 : 6 of 216.3 would be 11.9 of the 9 recurrent weights.
        ((100, 3, 0.3), [207.3, 9.0]),
        ((4, 4, 0.0), [16.0, 16.0]),
    ] {
        let sizes = [(inputs * units) as f64, (units * units) as f64];
        let erk = Sparsity::erk(inputs, units, sparsity).unwrap();
        for ((found, kept), size) in [erk.input, erk.recurrent].into_iter().zip(kept).zip(sizes) {
            assert!(((1.0 - found) * size - kept).abs() < 1e-9, "{inputs}, {units}, {sparsity}: {erk:?}");
            assert!((0.0..1.0).contains(&found));
        }
        let size = Size { distribution: Distribution::Erk, ..Size::sparse(units, sparsity) };
        let masks = CellConfig::Gru(size).masks(Inputs::Dense(inputs), &mut rng(3)).unwrap();
        for gate in &masks.gates {
            assert_eq!([gate.input.nnz(), gate.recurrent.nnz()], kept.map(|kept| kept.round() as usize));
        }
    }
}

#[test]
fn uniform_masks_keep_an_exact_number() {
    for (inputs, units) in [(1, 2), (3, 5), (7, 11), (40, 16)] {
        for (input, recurrent) in [(0.0, 0.0), (0.1, 0.25), (0.5, 0.77), (0.3, 0.9)] {
            let sparsity = Sparsity { input, recurrent };
            let masks = Masks::uniform(3, inputs, units, sparsity, &mut rng(7)).unwrap();
            let kept = |sparsity: f64, all: usize| ((1.0 - sparsity) * all as f64).round() as usize;
            for gate in &masks.gates {
                assert_eq!(gate.input.nnz(), kept(input, inputs * units), "{inputs} × {units}, {sparsity:?}");
                assert_eq!(gate.recurrent.nnz(), kept(recurrent, units * units), "{units}, {sparsity:?}");
            }
            if recurrent > 0.0 && units > 2 {
                assert!(masks.gates[0].recurrent != masks.gates[1].recurrent, "each gate has its own");
            }
        }
    }
}

#[test]
fn initial_weights_fill_their_range() {
    let cells = [
        CellConfig::Gru(Size::sparse(16, 0.6)),
        CellConfig::Lstm(Size::dense(9)),
        CellConfig::Embedding(Size::dense(25)),
    ];
    for cell in cells {
        let stack = |seed| {
            cell.build::<f64>(Inputs::Dense(6), &mut rng(seed)).map(|cell| Stack::new(vec![cell]).unwrap())
        };
        let stack = stack(5).unwrap();
        let weights: Vec<Vec<f64>> = (0..200).map(|seed| init::uniform(&stack, &mut rng(seed))).collect();
        let structure = stack.layer_structure(0);
        for row in 0..structure.rows() {
            // Sources are six inputs, the constant and recurrent ones.
            let recurrent = structure.weights.row(row).iter().filter(|&&source| source > 6).count();
            let bound = 1.0 / (if recurrent > 0 { recurrent } else { cell.units() } as f64).sqrt();
            for entry in structure.weights.entries(row) {
                let values = || weights.iter().map(|weights| weights[entry]);
                let (least, most) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
                assert!(
                    -bound <= least && most <= bound,
                    "{cell:?}, row {row}: {least}..{most} beyond {bound}"
                );
                // The largest of 200 uniform numbers misses 0.85 of its bound with a probability of 1e-7.
                assert!(
                    least < -0.85 * bound && most > 0.85 * bound,
                    "{cell:?}, row {row}: {least}..{most} of {bound}"
                );
            }
        }
        let narrow = cell.build::<f32>(Inputs::Dense(6), &mut rng(5)).unwrap();
        let narrow: Vec<f32> = init::uniform(&Stack::new(vec![narrow]).unwrap(), &mut rng(0));
        assert!(narrow.iter().zip(&weights[0]).all(|(&narrow, &wide)| narrow == wide as f32));
    }
}

#[test]
fn groups_are_the_matrices_and_biases() {
    let (lower, upper) = (Inputs::Dense(5), Inputs::Dense(8));
    let configs = [
        CellConfig::GruResetBefore(Size { input_sparsity: 0.4, ..Size::sparse(8, 0.5) }),
        CellConfig::Gru(Size::sparse(6, 0.7)),
    ];
    let masks =
        [configs[0].masks(lower, &mut rng(1)).unwrap(), configs[1].masks(upper, &mut rng(2)).unwrap()];
    let cells = [configs[0].with_masks::<f64>(lower, &masks[0]), configs[1].with_masks(upper, &masks[1])];
    let stack = Stack::new(cells.map(Result::unwrap).into()).unwrap();
    let mut seen = vec![0; stack.weights_len()];
    let mut names = Vec::new();
    for (name, ranges) in stack.groups() {
        let size: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        ranges.into_iter().flatten().for_each(|weight| seen[weight] += 1);
        let depth = usize::from(name.starts_with("layer 1"));
        let of =
            |part: fn(&rtrl_cells::GateMask) -> usize| masks[depth].gates.iter().map(part).sum::<usize>();
        let expected = match name.split(' ').next_back() {
            Some("input") => of(|gate| gate.input.nnz()),
            Some("recurrent") => of(|gate| gate.recurrent.nnz()),
            // The GRU of the upper layer has two biases of its candidate.
            _ => [3 * 8, 4 * 6][depth],
        };
        assert_eq!(size, expected, "{name}");
        names.push(name);
    }
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(seen.iter().all(|&times| times == 1), "every weight is in one group: {seen:?}");
}

/// A structure of two units that is right.
fn structure() -> Structure {
    Structure {
        inputs: Inputs::Dense(1),
        states: 2,
        hidden: 0..2,
        recurrent: vec![Recurrent::State(0), Recurrent::State(1)],
        weights: Pattern::dense(2, 4),
        row_jacobian: Pattern::identity(2),
        direct: Pattern::empty(2, 2),
        masked: vec![MaskRows { input: 0, recurrent: 0, units: 2, role: Role::Keep }],
    }
}

/// The weights of the structure above without the bias of the second row.
fn without_bias() -> Pattern {
    Pattern::from_rows(4, [vec![0, 1, 2, 3], vec![0, 2, 3]]).unwrap()
}

struct Of(Structure);

impl<T: Scalar> Cell<T> for Of {
    fn structure(&self) -> &Structure {
        &self.0
    }
    fn forward(&self, _step: &mut CellStep<'_, T>) {}
}

#[test]
fn every_error_is_what_it_says() {
    let stack = |change: fn(&mut Structure)| {
        let mut structure = structure();
        change(&mut structure);
        Stack::<f64>::new(vec![Box::new(Of(structure))]).err()
    };
    assert_eq!(stack(|_| {}), None);
    let size = |what, expected, found| Some(CellError::Size { what, expected, found });
    let outside = |what, found, available| Some(CellError::OutOfRange { what, found, available });
    let zero = |what| Some(CellError::Zero { what });
    type Change = fn(&mut Structure);
    let table: Vec<(Change, Option<CellError>)> = vec![
        (|s| s.inputs = Inputs::Dense(0), zero("inputs")),
        (|s| s.states = 0, zero("states")),
        (|s| s.weights = Pattern::dense(0, 4), zero("rows")),
        (|s| s.hidden = 1..1, zero("hidden states")),
        (|s| s.weights = Pattern::dense(2, 5), size("columns of the weights (sources)", 4, 5)),
        (|s| s.row_jacobian = Pattern::dense(3, 2), size("rows of the row Jacobian", 2, 3)),
        (|s| s.row_jacobian = Pattern::dense(2, 3), size("columns of the row Jacobian (states)", 2, 3)),
        (|s| s.direct = Pattern::dense(1, 2), size("rows of the direct Jacobian (states)", 2, 1)),
        (|s| s.direct = Pattern::dense(2, 1), size("columns of the direct Jacobian (states)", 2, 1)),
        (|s| s.recurrent[1] = Recurrent::State(7), outside("a recurrent source", 7, 2)),
        (|s| s.recurrent[0] = Recurrent::Scaled(2), outside("a recurrent source", 2, 2)),
        (|s| s.hidden = 1..3, outside("the hidden range", 2, 2)),
        (|s| s.masked[0].recurrent = 1, outside("the last row of a mask", 2, 2)),
        (|s| s.masked[0].input = usize::MAX, outside("the last row of a mask", usize::MAX, 2)),
        (|s| s.masked[0].units = 0, zero("units of a mask")),
        (
            |s| s.masked.push(MaskRows { units: 1, ..s.masked[0] }),
            Some(CellError::Size { what: "units of a mask", expected: 2, found: 1 }),
        ),
        (|s| s.weights = without_bias(), Some(CellError::NoBias { row: 1 })),
        (|s| s.recurrent[1] = Recurrent::State(0), Some(CellError::Duplicate { state: 0 })),
    ];
    for (change, expected) in table {
        assert_eq!(stack(change), expected);
    }
    // Only gates that keep or write need biases.
    let without = |s: &mut Structure| {
        s.weights = without_bias();
        s.masked[0].role = Role::Other;
    };
    assert_eq!(stack(without), None);
    // A state may be read as it is and times a factor.
    assert_eq!(stack(|s| s.recurrent[1] = Recurrent::Scaled(0)), None);

    let two = |upper: Inputs| {
        let upper = Structure { inputs: upper, weights: Pattern::dense(2, upper.len() + 3), ..structure() };
        Stack::<f64>::new(vec![Box::new(Of(structure())), Box::new(Of(upper))]).err()
    };
    assert_eq!(two(Inputs::Dense(2)), None);
    assert_eq!(two(Inputs::Dense(3)), size("inputs of an upper layer", 2, 3));
    assert_eq!(two(Inputs::Symbols(2)), Some(CellError::SymbolsAbove { layer: 1 }));
    assert_eq!(Stack::<f64>::new(Vec::new()).err(), zero("layers"));

    let masks = |cell: CellConfig, inputs| cell.masks(inputs, &mut rng(0)).err();
    let one = Inputs::Dense(1);
    let large = CellConfig::Gru(Size::dense(1 << 20));
    let too_large = CellError::TooLarge { units: 1 << 20, inputs: 1 << 20 };
    assert_eq!(masks(large, Inputs::Dense(1 << 20)), Some(too_large));
    // A unit more than fits, for each kind of cell: no memory is asked for.
    for cell in CellConfig::every(Size::dense(usize::MAX)) {
        let error = masks(cell, one);
        assert!(
            matches!(error, Some(CellError::TooLarge { units: usize::MAX, inputs: 1 })),
            "{cell:?}: {error:?}"
        );
    }
    let erk = Size { distribution: Distribution::Erk, input_sparsity: 0.5, ..Size::sparse(4, 0.5) };
    let error = masks(CellConfig::Gru(erk), one).unwrap();
    assert_eq!(error, CellError::Shared { what: "input_sparsity" });
    assert!(
        error.to_string().contains("`erk`") && error.to_string().contains("remove `input_sparsity`"),
        "{error}"
    );
    for (cell, what) in [
        (CellConfig::Embedding(Size::sparse(3, 0.5)), "sparsity"),
        (CellConfig::QuasiLstm(Size { input_sparsity: 0.5, ..Size::dense(3) }), "input_sparsity"),
    ] {
        assert_eq!(masks(cell, one), Some(CellError::Unmasked { what }));
    }
    for sparsity in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        let found = sparsity.to_string();
        let expected = |what| CellError::Sparsity { what, found: found.clone() };
        assert_eq!(Sparsity::erk(3, 4, sparsity), Err(expected("sparsity")));
        let of = |input, recurrent| {
            Masks::uniform(1, 3, 4, Sparsity { input, recurrent }, &mut rng(0)).unwrap_err()
        };
        assert_eq!(of(sparsity, 0.0), expected("input sparsity"));
        assert_eq!(of(0.0, sparsity), expected("recurrent sparsity"));
    }
    let few = Masks::uniform(1, 2, 40, Sparsity { input: 0.99, recurrent: 0.999 }, &mut rng(0));
    assert!(matches!(few, Err(CellError::Disconnected { .. })), "{few:?}");

    let dense = Masks::dense(3, 2, 3);
    let gru = |masks: &Masks, inputs, units| Gru::new(Inputs::Dense(inputs), units, masks).err();
    assert_eq!(gru(&dense, 2, 3), None);
    assert_eq!(gru(&dense, 2, 0), zero("units"));
    assert_eq!(gru(&dense, 0, 3), zero("inputs"));
    assert_eq!(gru(&Masks::dense(2, 2, 3), 2, 3), size("number of gate masks", 3, 2));
    assert_eq!(gru(&dense, 2, 4), size("rows of an input mask (units)", 4, 3));
    assert_eq!(gru(&dense, 5, 3), size("columns of an input mask (inputs)", 5, 2));
    let mut other = dense.clone();
    other.gates[2].recurrent = Pattern::dense(4, 3);
    assert_eq!(
        GruResetBefore::new(Inputs::Dense(2), 3, &other).err(),
        size("rows of a recurrent mask (units)", 3, 4)
    );
    other.gates[2].recurrent = Pattern::dense(3, 4);
    assert_eq!(gru(&other, 2, 3), size("columns of a recurrent mask (units)", 3, 4));
    let mut cut = Masks::dense(1, 1, 3);
    cut.gates[0].input = Pattern::from_rows(1, [vec![0], vec![0], vec![]]).unwrap();
    cut.gates[0].recurrent = Pattern::from_rows(3, [vec![0], vec![1], vec![]]).unwrap();
    let error = Vanilla::new(one, 3, &cut, Tanh).err();
    assert_eq!(error, Some(CellError::Disconnected { unit: 2 }));
    let error = QuasiLstm::new(one, 3, &Masks::dense(2, 1, 3)).err();
    assert_eq!(error, Some(CellError::NotDiagonal { gate: 0 }));

    let pattern = Pattern::from_rows(1, [[4]]).unwrap_err();
    assert!(matches!(
        CellError::from(pattern),
        CellError::Pattern(PatternError::Column { row: 0, column: 4, cols: 1 })
    ));
}
