//! Nets from PyTorch give here what they give there.

use crate::support::{File, NAMES, Net, Read, answers, difference, vectors};
use rtrl_interchange::{Names, Zeros, import};

/// Numbers of order 1, each a sum of ten products in `f32`: an error of a few 1e-7 per step, which the cells do not
/// amplify over twelve steps. The controls below are a thousand times above.
const TOLERANCE: f64 = 1e-5;

fn imported(net: &Net, bytes: &[u8], inputs: &[Read]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut model = net.model(0.0, 3);
    import(&mut model, bytes, &Names::default(), Zeros::Keep).unwrap();
    answers(&model, inputs)
}

#[test]
fn imported_nets_give_the_committed_outputs() {
    for name in NAMES {
        let (v, bytes) = vectors(name);
        let (hidden, outputs) = imported(&v.net, &bytes, &v.inputs);
        let deviation = difference(&hidden, &v.hidden).max(difference(&outputs, &v.outputs));
        assert!(deviation < TOLERANCE, "{name}: {deviation:e}");
    }
}

/// Zeros that become masks change no output.
#[test]
fn masked_nets_give_the_committed_outputs() {
    for name in ["gru-symbols", "lstm-embedding"] {
        let (v, bytes) = vectors(name);
        let mut model = v.net.model(0.0, 3);
        let dense = model.weights().len();
        import(&mut model, &bytes, &Names::default(), Zeros::Mask).unwrap();
        let file = File::read(&bytes);
        let zeros: usize = file.0.values().map(|(_, v)| v.iter().filter(|&&x| x == 0.0).count()).sum();
        assert!(zeros > 20 && model.weights().len() == dense - zeros, "{name}: {zeros} zeros");
        let (hidden, outputs) = answers(&model, &v.inputs);
        let deviation = difference(&hidden, &v.hidden).max(difference(&outputs, &v.outputs));
        assert!(deviation < TOLERANCE, "{name}: {deviation:e}");
    }
}

/// The equations of the other tests, checked against those of the script.
#[test]
fn both_writings_of_the_equations_agree() {
    for name in NAMES {
        let (v, bytes) = vectors(name);
        let (hidden, outputs) = File::read(&bytes).pytorch(&v.net, &v.inputs);
        let deviation = difference(&hidden, &v.hidden).max(difference(&outputs, &v.outputs));
        // Both in double precision.
        assert!(deviation < 1e-13, "{name}: {deviation:e}");
    }
}

/// Negative controls: gates in another order, and biases on the wrong side of the reset gate.
#[test]
fn other_gate_orders_and_biases_show() {
    let deviation = |name: &str, change: &dyn Fn(&mut File, usize)| {
        let (v, bytes) = vectors(name);
        let mut file = File::read(&bytes);
        change(&mut file, v.net.units);
        difference(&imported(&v.net, &file.bytes(), &v.inputs).1, &v.outputs)
    };
    assert!(deviation("gru", &|_, _| ()) < TOLERANCE);
    for (name, gates) in [("gru", 3), ("lstm", 4)] {
        for (a, b) in (0..gates).flat_map(|b| (0..b).map(move |a| (a, b))) {
            let found = deviation(name, &|file, units| file.swap_gates(units, a, b));
            assert!(found > 1e-2, "{name}, gates {a} and {b} swapped: {found:e}");
        }
    }
    let merged = |file: &mut File, units: usize| {
        for row in 2 * units..3 * units {
            let bias = std::mem::take(&mut file.values("rnn.bias_hh_l0")[row]);
            file.values("rnn.bias_ih_l0")[row] += bias;
        }
    };
    let found = deviation("gru", &merged);
    assert!(found > 1e-2, "b_hn outside the reset gate: {found:e}");
}
