//! Types of numbers, from bytes made by hand.

use crate::support::net;
use rtrl_interchange::{InterchangeError as E, Names, Zeros, import};
use rtrl_tasks::Signal;
use rtrl_train::Model;
use safetensors::tensor::{Dtype, TensorView};

const NAMES: [(&str, &[usize]); 6] = [
    ("rnn.weight_ih_l0", &[1, 2]),
    ("rnn.weight_hh_l0", &[1, 1]),
    ("rnn.bias_ih_l0", &[1]),
    ("rnn.bias_hh_l0", &[1]),
    ("readout.weight", &[1, 1]),
    ("readout.bias", &[1]),
];

/// One unit that reads two numbers, from a file with a type and bytes for each of [`NAMES`].
fn imported(tensors: [(Dtype, &[u8]); 6]) -> Result<Model, E> {
    let views = NAMES.iter().zip(tensors).map(|((name, shape), (dtype, bytes))| {
        (*name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let json = r#"{"layers": [{"kind": "vanilla", "units": 1}]}"#;
    let mut model = net(json, Signal::Values(2), Signal::Values(1));
    let before = model.weights().to_vec();
    let result = import(&mut model, &bytes, &Names::default(), Zeros::Keep);
    assert!(result.is_ok() || model.weights() == before);
    result.map(|()| model)
}

/// The bits of the two input weights, if these are the bytes of their tensor and all others are zeros of its type.
fn pair(dtype: Dtype, bytes: &[u8]) -> Result<[u32; 2], E> {
    let zeros = vec![0; bytes.len() / 2];
    let mut tensors = [(dtype, &zeros[..]); 6];
    tensors[0].1 = bytes;
    imported(tensors).map(|model| [0, 1].map(|i| model.weights()[i].to_bits()))
}

#[test]
fn sixteen_bits_are_taken_over_exactly() {
    let power = |n: i32| 2.0_f64.powi(n) as f32;
    for (bits, expected) in [
        (0x3e00_u16, 1.5),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x3555, 1365.0 / 4096.0),
        (0x0001, power(-24)),
        (0x83ff, -1023.0 * power(-24)),
        (0x8000, -0.0),
    ] {
        let bytes = [bits.to_le_bytes(), 0x3c00_u16.to_le_bytes()].concat();
        assert_eq!(pair(Dtype::F16, &bytes).unwrap(), [expected, 1.0_f32].map(f32::to_bits), "{bits:x}");
    }
    for bits in [0x3fc0_u16, 0xc000, 0x7f7f, 0x0001, 0x8000, 0x3eab] {
        let bytes = [bits.to_le_bytes(), 0x3f80_u16.to_le_bytes()].concat();
        // A bfloat16 is the upper half of a float32.
        assert_eq!(
            pair(Dtype::BF16, &bytes).unwrap(),
            [u32::from(bits) << 16, 1.0_f32.to_bits()],
            "{bits:x}"
        );
    }
}

#[test]
fn sixty_four_bits_are_rounded_once() {
    let ulp = f64::from(f32::EPSILON);
    let most = f64::from(f32::MAX);
    for (number, expected) in [
        (0.1, 0.1_f32),
        (-1.0 / 3.0, -1.0 / 3.0),
        // Ties go to the even one; a little more does not.
        (1.0 + ulp / 2.0, 1.0),
        (1.0 + 1.5 * ulp, 1.0 + 2.0 * f32::EPSILON),
        (1.0 + ulp / 2.0 + ulp / 1e6, 1.0 + f32::EPSILON),
        (most, f32::MAX),
        (most * (1.0 + ulp / 8.0), f32::MAX),
        (1e-45, f32::from_bits(1)),
        (1e-60, 0.0),
        (-1e-60, -0.0),
    ] {
        let bytes = [number.to_le_bytes(), 2.0_f64.to_le_bytes()].concat();
        assert_eq!(pair(Dtype::F64, &bytes).unwrap(), [expected, 2.0].map(f32::to_bits), "{number:e}");
    }
    for number in [1e39, -1e300, most * (1.0 + ulp)] {
        let error = pair(Dtype::F64, &[1.0_f64.to_le_bytes(), number.to_le_bytes()].concat()).unwrap_err();
        let named = matches!(&error, E::Range { name, index, found }
            if name == "rnn.weight_ih_l0" && *index == [0, 1] && *found == number);
        assert!(named, "{error}");
    }
    let error = pair(Dtype::F64, &[1.0_f64.to_le_bytes(), 1e39_f64.to_le_bytes()].concat()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`rnn.weight_ih_l0` is 1e39 at [0, 1], which is too large for a number of 32 bits"
    );
}

#[test]
fn numbers_that_are_not_finite_are_named_in_every_type() {
    let f16 = |bits: u16| (Dtype::F16, [[0; 2], bits.to_le_bytes()].concat());
    let bf16 = |bits: u16| (Dtype::BF16, [[0; 2], bits.to_le_bytes()].concat());
    let f32 = |number: f32| (Dtype::F32, [[0; 4], number.to_le_bytes()].concat());
    let f64 = |number: f64| (Dtype::F64, [[0; 8], number.to_le_bytes()].concat());
    for (dtype, bytes) in [
        f16(0x7c00),
        f16(0x7e00),
        bf16(0xff80),
        bf16(0x7fc0),
        f32(f32::NAN),
        f32(f32::INFINITY),
        f64(f64::NAN),
        f64(f64::NEG_INFINITY),
    ] {
        let error = pair(dtype, &bytes).unwrap_err();
        assert!(matches!(&error, E::NotFinite { index, .. } if *index == [0, 1]), "{dtype}: {error}");
    }
}

#[test]
fn a_file_may_mix_types_and_two_biases_may_be_too_large_together() {
    let (one, two) = (1.0_f32.to_le_bytes(), 2.0_f64.to_le_bytes());
    let model = imported([
        (Dtype::F16, &[0x00, 0x3c, 0x00, 0xbc]),
        (Dtype::F32, &one),
        (Dtype::F64, &two),
        (Dtype::BF16, &[0x80, 0x3f]),
        (Dtype::F64, &two),
        (Dtype::F16, &[0x00, 0x38]),
    ]);
    let model = model.unwrap();
    assert_eq!(model.weights(), [1.0, -1.0, 3.0, 1.0]);
    assert_eq!(model.readout().parameters(), [2.0, 0.5]);

    let (zeros, large) = ([0; 8], 3e38_f32.to_le_bytes());
    let mut tensors = NAMES.map(|(_, shape)| (Dtype::F32, &zeros[..4 * shape.iter().product::<usize>()]));
    (tensors[2].1, tensors[3].1) = (&large, &large);
    let error = imported(tensors).unwrap_err();
    let named = matches!(&error, E::Range { name, index, found }
        if name == "rnn.bias_ih_l0` + `rnn.bias_hh_l0" && *index == [0] && *found == 2.0 * f64::from(3e38_f32));
    assert!(named, "{error}");
    assert!(error.to_string().starts_with("`rnn.bias_ih_l0` + `rnn.bias_hh_l0` is 6.0000000"), "{error}");
}

#[test]
fn other_types_are_named() {
    let types = [
        Dtype::I64,
        Dtype::U64,
        Dtype::I32,
        Dtype::U32,
        Dtype::I16,
        Dtype::U16,
        Dtype::I8,
        Dtype::U8,
        Dtype::BOOL,
        Dtype::F8_E4M3,
        Dtype::F8_E5M2,
        Dtype::C64,
    ];
    for dtype in types {
        let error = pair(dtype, &vec![0; 2 * dtype.bitsize() / 8]).unwrap_err();
        assert!(matches!(&error, E::Type { name, found } if *found == dtype && name == "rnn.weight_ih_l0"));
        assert_eq!(error.to_string(), format!("`rnn.weight_ih_l0` is {dtype:?}: convert it to F32"));
    }
}
