//! Checkpoints that are cut off, damaged, hostile or of another make: each is refused with an error, without a panic
//! and without allocating more than twice the file.

use allocation_counter::measure;
use proptest::prelude::*;
use rtrl_checkpoint::{
    Archive, ArchiveError, CheckpointError, FORMAT_VERSION, Loaded, Persist, from_bytes, load, load_latest,
    previous, save, to_bytes,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    bits: Vec<u8>,
    position: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    weights: Vec<f32>,
    sums: Vec<f64>,
    lanes: Vec<Lane>,
    step: u64,
}

impl State {
    fn new(n: usize) -> Self {
        let lane = |i: usize| Lane { bits: vec![1; i], position: i.is_multiple_of(2).then_some(i as u64) };
        Self {
            weights: (0..n).map(|i| i as f32 / 3.0).collect(),
            sums: vec![0.5; 3],
            lanes: (0..3).map(lane).collect(),
            step: 9,
        }
    }

    fn blank(n: usize) -> Self {
        Self { weights: vec![0.0; n], sums: vec![0.0; 3], lanes: Vec::new(), step: 0 }
    }

    fn bytes(&mut self) -> Vec<u8> {
        to_bytes(|archive| self.persist(archive)).unwrap()
    }
}

struct Sums<'a>(&'a mut [f64]);

impl Persist for Sums<'_> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("sums", self.0)
    }
}

impl Persist for State {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("weights", &mut self.weights)?;
        archive.part("part", &mut Sums(&mut self.sums))?;
        archive.vec("lanes", &mut self.lanes)?;
        archive.expect("size", 3)?;
        archive.value("step", &mut self.step)?;
        archive.check("step", self.step < 10, || format!("{} is not below 10", self.step))
    }
}

/// Refused, and with few allocations; the error's text is never empty.
fn refused(bytes: &[u8]) -> CheckpointError {
    let mut state = State::blank(40);
    let mut result = Ok(());
    let used = measure(|| result = from_bytes(bytes, |archive| state.persist(archive)));
    // Twice the file, and a message about a section's name: 255 bytes at most, six letters for each when escaped, and as much
    // again while the text grows.
    assert!(used.bytes_max <= 2 * bytes.len() as u64 + 4096, "{} bytes for {}", used.bytes_max, bytes.len());
    let error = result.expect_err("damage is refused");
    assert!(!error.to_string().is_empty());
    error
}

/// The payload of `bytes`, changed, in an envelope that is right again.
fn resealed(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = bytes[52..].to_vec();
    change(&mut payload);
    let mut out = b"RTRLCKPT".to_vec();
    let (version, len) = (FORMAT_VERSION.to_le_bytes(), (payload.len() as u64).to_le_bytes());
    let hash = Sha256::new().chain_update(&payload).chain_update(version).chain_update(len);
    for part in [&version[..], &len, &hash.finalize(), &payload] {
        out.extend_from_slice(part);
    }
    out
}

#[test]
fn what_is_saved_is_restored() {
    let mut state = State::new(40);
    let bytes = state.bytes();
    let mut restored = State::blank(40);
    from_bytes(&bytes, |archive| restored.persist(archive)).unwrap();
    assert_eq!(restored, state);
    assert_eq!(restored.bytes(), bytes, "the same bytes again");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = State::new(40).bytes();
    for len in 0..bytes.len() {
        let error = refused(&bytes[..len]);
        assert!(
            matches!(error, CheckpointError::NotACheckpoint | CheckpointError::Length { .. }),
            "{len}: {error}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(refused(&longer), CheckpointError::Length { .. }));
}

#[test]
fn every_bit_flip_is_refused() {
    // All bits: more than ten thousand.
    let mut bytes = State::new(400).bytes();
    assert!(bytes.len() * 8 > 10_000);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = refused(&bytes);
        assert!(!matches!(error, CheckpointError::Archive(_)), "the envelope refuses it: {error}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn another_format_is_named() {
    let mut bytes = State::new(40).bytes();
    bytes[8] = 7;
    let error = refused(&bytes);
    assert!(matches!(error, CheckpointError::Version { found: 7, supported: FORMAT_VERSION }), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let bytes = State::new(40).bytes();
    let refusal = |state: &mut State| from_bytes(&bytes, |a| state.persist(a)).unwrap_err().to_string();
    let error = refusal(&mut State::blank(39));
    assert_eq!(error, "section `weights`: expected 156 bytes, found 160");
    let missing = from_bytes(&bytes, |a| a.slice("heights", &mut [0_f32; 40])).unwrap_err().to_string();
    assert_eq!(missing, "expected the section `heights`, found `weights`");
    let early = from_bytes(&bytes, |a| a.slice("weights", &mut [0_f32; 40])).unwrap_err();
    assert!(matches!(early, CheckpointError::Archive(ArchiveError::Trailing { .. })), "{early}");
    let mut other = State::new(40);
    other.step = 11;
    let bytes = to_bytes(|a| {
        let State { weights, sums, lanes, step } = &mut other;
        a.slice("weights", weights)?;
        a.part("part", &mut Sums(sums))?;
        a.vec("lanes", lanes)?;
        a.expect("size", 3)?;
        a.value("step", step)
    });
    let error = refused(&bytes.unwrap());
    assert_eq!(error.to_string(), "section `step`: 11 is not below 10");
}

#[test]
fn lengths_that_lie_behind_a_right_checksum_allocate_nothing() {
    let bytes = State::new(40).bytes();
    let at = |name: &str| bytes[52..].windows(name.len()).position(|w| w == name.as_bytes()).unwrap();
    // The length of a section, and the number of bits of a lane within one.
    for (offset, what) in
        [(at("weights") + 7, "slice"), (at("lanes") + 5, "vec"), (at("lanes") + 13, "inner")]
    {
        for length in [u64::MAX, 1 << 40, 1 << 20] {
            let hostile = resealed(&bytes, |payload| {
                payload[offset..offset + 8].copy_from_slice(&length.to_le_bytes());
            });
            // serde reserves up to a megabyte for an array before it sees its elements.
            let mut state = State::blank(40);
            let mut result = Ok(());
            let used = measure(|| result = from_bytes(&hostile, |archive| state.persist(archive)));
            assert!(matches!(result, Err(CheckpointError::Archive(_))), "{what}, {length}: {result:?}");
            assert!(used.bytes_max < 3 << 20, "{what}, {length}: {} bytes", used.bytes_max);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_payloads_never_panic(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        refused(&resealed(&[0; 52], |payload| *payload = noise.clone()));
    }

    #[test]
    fn changed_payloads_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        // Behind a right checksum a changed number is simply another number.
        let bytes = State::new(40).bytes();
        let hostile = resealed(&bytes, |payload| { let at = at.index(payload.len()); payload[at] = byte; });
        let _ = from_bytes(&hostile, |archive| State::blank(40).persist(archive));
    }
}

#[test]
fn sections_that_came_later_may_be_missing() {
    let persist = |archive: &mut Archive<'_>, values: &mut [u64; 2], later: bool| {
        archive.scope("part", |archive| {
            archive.value("first", &mut values[0])?;
            if later && archive.next_is("later") { archive.value("later", &mut values[1]) } else { Ok(()) }
        })?;
        archive.value("last", &mut values[0])
    };
    for later in [false, true] {
        let bytes = to_bytes(|archive| persist(archive, &mut [7, 8], later)).unwrap();
        let mut values = [0, 1];
        from_bytes(&bytes, |archive| persist(archive, &mut values, true)).unwrap();
        assert_eq!(values, [7, if later { 8 } else { 1 }]);
    }
}

#[test]
fn the_one_before_is_kept_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let latest = || {
        let build = || Ok::<_, CheckpointError>(State::blank(4));
        load_latest(&path, build, |state, archive| state.persist(archive))
    };
    assert!(matches!(latest().unwrap(), Loaded::Nothing));
    let step = |step: u64| State { step, ..State::new(4) };
    save(&path, |archive| step(1).persist(archive)).unwrap();
    assert!(matches!(latest().unwrap(), Loaded::Latest(State { step: 1, .. })));
    save(&path, |archive| step(2).persist(archive)).unwrap();
    assert!(matches!(latest().unwrap(), Loaded::Latest(State { step: 2, .. })));
    // A state that refuses to be written leaves both.
    save(&path, |archive| archive.check("x", false, String::new)).unwrap_err();
    assert!(matches!(latest().unwrap(), Loaded::Latest(State { step: 2, .. })));
    // Killed between the two renames.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(latest().unwrap(), Loaded::Previous(State { step: 1, .. }, _)));
    // Damaged.
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let Loaded::Previous(State { step: 1, .. }, why) = latest().unwrap() else { panic!("the one before") };
    assert!(matches!(why, CheckpointError::Length { .. }), "{why}");
    // Both damaged: an error, not a new beginning.
    std::fs::write(previous(&path), b"RTRL").unwrap();
    assert!(matches!(latest().unwrap_err(), CheckpointError::Length { .. }));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary files are left: {names:?}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("checkpoint");
    let error = save(&path, |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    assert!(load(&path, |_| Ok(())).unwrap_err().to_string().contains("missing"));
}
