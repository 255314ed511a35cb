//! Blocks shared out among any number of threads give the same bits as on one thread, and small work starts no
//! thread.

#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rtrl_sparse::{Carrying, Layout, Streaming, Windowed};
use support::{Case, case};

/// J and gradient of a case under every schedule, in `f32` and on `threads` threads.
fn everything(case: &Case, threads: usize) -> Vec<f32> {
    // Any work at all is shared out, and two blocks are enough for a dense adjoint.
    let layout = Layout { min_shared_macs: 0, min_dense_adjoint_blocks: 2, ..Layout::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let (blocks, data) = (Arc::new(case.blocks(layout)), case.data::<f32>(false));
        let step = |step: usize| data.step(step);
        let (lanes, steps) = (case.lanes, case.steps);
        let mut gradient = vec![0.0; case.weights.nnz()];
        let initial = data.influence(blocks.len());
        let mut streaming = Streaming::new(blocks.clone(), lanes);
        streaming.influence_mut().values_mut().copy_from_slice(&initial);
        (0..steps).for_each(|t| streaming.advance(step(t), &mut gradient));
        let mut sweeping = Streaming::for_windows(blocks.clone(), lanes, steps);
        sweeping.influence_mut().values_mut().copy_from_slice(&initial);
        sweeping.sweep(steps, step, &mut gradient);
        Windowed::new(blocks.clone(), lanes, steps).gradient(steps, step, &mut gradient);
        let mut carrying = Carrying::new(blocks, lanes, steps);
        carrying.influence_mut().values_mut().copy_from_slice(&initial);
        carrying.gradient(steps, step, &mut gradient);
        carrying.carry(steps, step);
        let all = [streaming.influence(), sweeping.influence(), carrying.influence()];
        let mut out: Vec<f32> = all.iter().flat_map(|j| j.values()).copied().collect();
        out.extend(gradient);
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, ..support::config("threads") })]

    #[test]
    fn results_do_not_depend_on_threads(case in case(24, 40, 12)) {
        let one = everything(&case, 1);
        for threads in [2, 3, 5, 16] {
            let several = everything(&case, threads);
            let same = one.iter().zip(&several).all(|(a, b)| a.to_bits() == b.to_bits());
            prop_assert!(same, "{} threads", threads);
        }
    }
}

/// A recursion of small blocks in a program that has started no pool.
#[cfg(target_os = "linux")]
#[test]
fn building_small_blocks_starts_no_thread() {
    // The test runs in a process of its own, since other tests in this process have pools.
    if std::env::var_os("RTRL_TEST_ALONE").is_some() {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let case = Case::chain(8, 4);
        let blocks = case.blocks(Layout::default());
        let carrying = Carrying::<f32>::new(blocks, 1, 16);
        assert_eq!((threads(), carrying.bytes() > 0), (before, true));
        println!("no thread was started");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(own);
    command.args(["--exact", "building_small_blocks_starts_no_thread", "--nocapture"]);
    let output = command.env("RTRL_TEST_ALONE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("no thread was started"), "{said}");
}
