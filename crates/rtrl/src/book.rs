//! The Rust blocks of the book and of the README as doc tests.

macro_rules! pages {
    ($($page:literal)*) => {
        $(
            #[doc = include_str!(concat!("../../../docs/book/src/", $page))]
            const _: () = ();
        )*
    };
}

pages! {
    "start.md" "learner.md" "choose.md" "interchange.md" "metrics.md" "extend/estimator.md"
    "estimators/snap.md" "estimators/rtrl.md" "estimators/bptt.md" "estimators/tbptt.md" "estimators/uoro.md"
    "estimators/kf-rtrl.md" "estimators/ok.md" "estimators/rflo.md" "estimators/eprop.md"
    "estimators/random-paths.md" "estimators/forward-gradient.md" "estimators/immediate.md" "estimators/frozen.md"
    "estimators/dni.md" "estimators/kernl.md" "estimators/snap-top-k.md" "estimators/snap-low-rank.md"
}

#[doc = include_str!("../../../README.md")]
const _: () = ();
