//! The list of all estimators, one line for each.

/// Calls the macro `$then` with all estimators. A line holds the documentation, the module, the variant of
/// [`EstimatorConfig`](crate::EstimatorConfig), the settings, the name of the settings in the prelude of
/// `rtrl`, and the other types that the module exports.
///
/// A new estimator is a file and a line here; everything else is derived from it.
#[macro_export]
macro_rules! for_each_estimator {
    ($then:ident) => {
        $then! {
            /// [`Bptt`](crate::Bptt): backpropagation through time over the window.
            bptt: Bptt(BpttConfig) as Bptt, Bptt;
            /// [`Tbptt`](crate::Tbptt): backpropagation with a horizon beyond its window.
            tbptt: Tbptt(TbpttConfig) as Tbptt, Tbptt;
            /// [`Dni`](crate::Dni): backpropagation from a synthetic gradient at the window's end.
            dni: Dni(DniConfig) as Dni, Dni;
            /// SnAp-n: [`Influence`](crate::Influence) of n steps' reach.
            snap: Snap(SnapConfig) as SnAp;
            /// [`SnapTopK`](crate::SnapTopK): SnAp-1 and the states of greatest magnitude.
            snap_top_k: SnapTopK(SnapTopKConfig) as SnApTopK, SnapTopK;
            /// [`SnapLowRank`](crate::SnapLowRank): SnAp-1 and a remainder of low rank.
            snap_low_rank: SnapLowRank(SnapLowRankConfig) as SnApLowRank, SnapLowRank;
            /// Exact RTRL: [`Influence`](crate::Influence) of unlimited reach.
            rtrl: Rtrl(RtrlConfig) as Rtrl;
            /// RFLO: eligibility traces that decay at a fixed rate.
            rflo: Rflo(RfloConfig) as Rflo;
            /// e-prop: eligibility traces along the cells' own leak.
            eprop: Eprop(EpropConfig) as Eprop;
            /// [`Kernl`](crate::Kernl): KeRNL, eligibility traces along a kernel that is learned.
            kernl: Kernl(KernlConfig) as Kernl, Kernl;
            /// RTRL along a random selection of paths.
            random_paths: RandomPaths(RandomPathsConfig) as RandomPaths;
            /// [`Uoro`](crate::Uoro): unbiased, of rank one.
            uoro: Uoro(UoroConfig) as Uoro, Uoro, UoroNoise;
            /// KF-RTRL: [`Kronecker`](crate::Kronecker) of rank one, unbiased.
            kf_rtrl: KfRtrl(KfRtrlConfig) as KfRtrl;
            /// OK: [`Kronecker`](crate::Kronecker) of rank r, unbiased, of least variance.
            #[serde(rename = "ok")]
            ok: OptimalKronecker(OkConfig) as OptimalKronecker;
            /// [`ForwardGradient`](crate::ForwardGradient): the derivative along one random direction.
            forward_gradient: ForwardGradient(ForwardGradientConfig) as ForwardGradient, ForwardGradient;
            /// [`Immediate`](crate::Immediate): the present step alone.
            immediate: Immediate(ImmediateConfig) as Immediate, Immediate;
            /// [`Frozen`](crate::Frozen): the recurrent weights do not learn.
            frozen: Frozen(FrozenConfig) as Frozen, Frozen;
        }
    };
}
