use std::fs;

use proptest::prelude::*;
use rtrl_checkpoint::{from_bytes, to_bytes};

use super::*;

/// One file: training bytes below 128, then validation bytes from 128 on.
fn halves(training: usize, validation: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..training)
        .map(|i| (i % 127) as u8)
        .chain((0..validation).map(|i| 128 + (i % 127) as u8))
        .collect();
    fs::write(file.path(), &bytes).unwrap();
    (file, bytes)
}

fn steps(task: &mut dyn Task, lanes: usize, count: usize) -> Vec<Step> {
    let mut step = Step::new(task, lanes);
    (0..count)
        .map(|_| {
            task.next(&mut step).unwrap();
            step.clone()
        })
        .collect()
}

#[test]
fn crops_are_the_text_shifted_by_one_from_the_training_part_only() {
    let (file, bytes) = halves(950, 50);
    let config = CharLmConfig { text: Some(file.path().into()), crop: 20, ..CharLmConfig::default() };
    let mut task = config.build(3, 4).unwrap();
    assert_eq!((task.inputs(), task.targets()), (Signal::Symbols(256), Signal::Symbols(256)));
    assert_eq!(task.level(), None);
    let all = steps(&mut *task, 3, 20 * 400);
    let mut offsets = Vec::new();
    for crop in all.chunks(20) {
        for (t, step) in crop.iter().enumerate() {
            assert_eq!(step.starts, [t == 0; 3]);
        }
        for b in 0..3 {
            let mut read: Vec<u8> = crop.iter().map(|step| step.input[b] as u8).collect();
            let asked: Vec<u8> = crop.iter().map(|step| step.target[b].unwrap() as u8).collect();
            assert_eq!(asked[..19], read[1..], "targets are the inputs, one step later");
            read.push(asked[19]);
            offsets.push(
                bytes[..950].windows(21).position(|window| window == read).expect("from the training part"),
            );
        }
    }
    // The text has period 127, and crops begin at every residue. The lanes draw different crops.
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets, (0..127).collect::<Vec<_>>());
    assert!(all.iter().any(|step| step.input[0] != step.input[1]));
}

#[test]
fn the_first_and_the_last_crop_are_drawn_and_nothing_behind() {
    // A crop of 10 + 1 bytes fits a text of 12 bytes at two offsets.
    let text = Corpus::from_bytes((0..12).collect()).unwrap();
    let mut task = CharLm::new(text, 10, 1, 0).unwrap();
    let all = steps(&mut task, 1, 10 * 100);
    let firsts: Vec<u32> = all.iter().filter(|step| step.starts[0]).map(|step| step.input[0]).collect();
    let zeros = firsts.iter().filter(|&&first| first == 0).count();
    assert!(firsts.iter().all(|&first| first < 2) && (25..75).contains(&zeros), "{firsts:?}");
}

#[test]
fn crops_belong_to_seed_and_lane() {
    let build = |lanes, seed| {
        CharLmConfig { corpus_bytes: 20_000, ..CharLmConfig::default() }.build(lanes, seed).unwrap()
    };
    let run = |lanes, seed| steps(&mut *build(lanes, seed), lanes, 300);
    let (many, few) = (run(5, 9), run(2, 9));
    assert!(many.iter().zip(&few).all(|(m, f)| m.input[..2] == f.input[..] && m.target[..2] == f.target[..]));
    assert_eq!(run(2, 9), few);
    assert_ne!(run(2, 10), few);
    assert!(few.iter().any(|step| step.input[0] != step.input[1]));
}

#[test]
fn a_restored_task_goes_on_as_if_it_had_not_stopped() {
    let data = CharLmConfig { corpus_bytes: 20_000, ..CharLmConfig::default() }.data().unwrap();
    let new = |lanes, crop, seed| CharLm::new(data.training.clone(), crop, lanes, seed).unwrap();
    // Saved in the middle of a crop, at its end, and before the first.
    for before in [333, 256, 0] {
        let (mut task, mut resumed) = (new(2, 128, 1), new(2, 128, 7));
        steps(&mut task, 2, before);
        steps(&mut resumed, 2, 50);
        let saved = to_bytes(|archive| task.persist(archive)).unwrap();
        from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
        assert_eq!(steps(&mut resumed, 2, 300), steps(&mut task, 2, 300));
    }
    let saved = to_bytes(|archive| new(2, 128, 1).persist(archive)).unwrap();
    let refusal =
        |mut task: CharLm| from_bytes(&saved, |archive| task.persist(archive)).unwrap_err().to_string();
    assert_eq!(refusal(new(3, 128, 1)), "section `state`: 2 lanes instead of 3");
    assert_eq!(refusal(new(2, 64, 1)), "section `state`: a crop outside the text");
    let other =
        CharLmConfig { corpus_seed: 1, corpus_bytes: 20_000, ..CharLmConfig::default() }.data().unwrap();
    let error = refusal(CharLm::new(other.training, 128, 2, 1).unwrap());
    assert!(error.starts_with("section `text`"), "another text is refused: {error}");
}

/// One pass: inputs and targets of each lane up to its first `None`, after which there must be no target.
fn pass(task: &mut CharLmEvaluation, lanes: usize) -> Vec<Vec<(u8, u8)>> {
    let count = task.steps() as usize;
    let mut pieces = vec![Vec::new(); lanes];
    for (t, step) in steps(task, lanes, count).into_iter().enumerate() {
        assert_eq!(step.starts, vec![t == 0; lanes]);
        for (b, piece) in pieces.iter_mut().enumerate() {
            match step.target[b] {
                Some(target) => {
                    assert_eq!(piece.len(), t, "a lane that has finished stays finished");
                    piece.push((step.input[b] as u8, target as u8));
                }
                None => {
                    assert_eq!(step.input[b], piece.last().map_or(0, |last: &(u8, u8)| u32::from(last.0)));
                }
            }
        }
    }
    pieces
}

fn covers_once(bytes: &[u8], lanes: usize, max_bytes: Option<u64>) {
    let text = Corpus::from_bytes(bytes.to_vec()).unwrap();
    let mut task = CharLmEvaluation::new(text, lanes, max_bytes).unwrap();
    let pieces = pass(&mut task, lanes);
    let asked = (bytes.len() - 1).min(max_bytes.unwrap_or(u64::MAX) as usize);
    let expected: Vec<_> = (0..asked).map(|i| (bytes[i], bytes[i + 1])).collect();
    assert_eq!(pieces.concat(), expected, "every prediction once, in order");
    assert_eq!(task.steps() as usize, asked.div_ceil(lanes));
    assert!(pieces.iter().all(|piece| piece.len() + 1 >= asked.div_ceil(lanes)), "lanes share evenly");
    assert_eq!(pass(&mut task, lanes), pieces, "the next pass is the same");
}

proptest! {
    #[test]
    fn validation_is_covered_exactly_once(
        bytes in prop::collection::vec(any::<u8>(), 2..120), lanes in 1_usize..9, max_bytes in prop::option::of(1_u64..130),
    ) {
        covers_once(&bytes, lanes, max_bytes);
    }
}

#[test]
fn validation_is_covered_across_read_buffers() {
    let text = crate::grammar::generate(3, 26_000);
    // 4096 bytes are read at a time: exactly two reads per lane, one prediction more, one less, and other sizes.
    for (bytes, lanes) in
        [(2 * 4096 * 2 + 1, 2), (2 * 4096 * 2 + 2, 2), (2 * 4096 * 2, 2), (26_000, 3), (4097, 1)]
    {
        covers_once(&text[..bytes], lanes, None);
        covers_once(&text, lanes, Some(bytes as u64));
    }
}

#[test]
fn the_evaluation_of_a_configuration_is_the_held_out_part() {
    let (file, bytes) = halves(950, 50);
    let text = Some(file.path().to_path_buf());
    let config = CharLmConfig { text: text.clone(), crop: 20, ..CharLmConfig::default() };
    let mut evaluation = config.evaluation(Part::Valid, 1, None).unwrap().unwrap();
    assert_eq!(evaluation.steps, 49);
    let all = steps(&mut *evaluation.task, 1, 49);
    assert!(all.iter().zip(&bytes[950..]).all(|(step, &byte)| step.input[0] == u32::from(byte)));
    assert_eq!(config.evaluation(Part::Valid, 2, Some(7)).unwrap().unwrap().steps, 4);

    // With a validation file nothing of the text is held out.
    let (valid, _) = halves(0, 30);
    let config = CharLmConfig { valid: Some(valid.path().into()), ..config };
    let data = config.data().unwrap();
    assert_eq!((data.training.len(), data.validation.len()), (1000, 30));
}

#[test]
fn three_parts_are_cut_from_a_text_or_read_from_files() {
    let (file, bytes) = halves(950, 50);
    let (other, _) = halves(0, 30);
    let base = CharLmConfig { text: Some(file.path().into()), crop: 20, ..CharLmConfig::default() };
    let lengths = |config: &CharLmConfig| {
        let data = config.data().unwrap();
        (data.training.len(), data.validation.len(), data.test.map(|test| test.len()))
    };
    assert_eq!(lengths(&base), (950, 50, None));
    let cut = CharLmConfig { test_fraction: 0.1, ..base.clone() };
    assert_eq!(lengths(&cut), (850, 50, Some(100)));
    let mut test = cut.evaluation(Part::Test, 1, None).unwrap().unwrap();
    let all = steps(&mut *test.task, 1, 99);
    assert!(all.iter().zip(&bytes[900..]).all(|(step, &byte)| step.input[0] == u32::from(byte)));
    let valid_file = CharLmConfig { valid: Some(other.path().into()), ..cut.clone() };
    assert_eq!(lengths(&valid_file), (900, 30, Some(100)));
    let test_file = CharLmConfig { test: Some(other.path().into()), ..cut.clone() };
    assert_eq!(lengths(&test_file), (950, 50, Some(30)));

    assert!(base.evaluation(Part::Test, 1, None).unwrap().is_none());
    assert_ne!(cut.fingerprint().unwrap(), base.fingerprint().unwrap());
    assert_eq!(CharLmConfig::default().fingerprint().unwrap(), None, "the configuration says it all");
    let too_short = CharLmConfig { test_fraction: 0.01, ..base.clone() };
    assert!(matches!(too_short.data(), Err(TaskError::TooShort { part: "test", len: 10, .. })));
    // The two held-out parts leave nothing to train on.
    let all_held_out = CharLmConfig { test_fraction: 0.6, valid_fraction: 0.6, ..base };
    assert!(all_held_out.data().is_err());
}

#[test]
fn the_default_trains_on_two_million_generated_bytes() {
    let data = CharLmConfig::default().data().unwrap();
    assert!(data.training.len() + data.validation.len() >= 2_000_000);
    assert_eq!(data.validation.len(), (data.training.len() + data.validation.len()) / 20);
    let mut start = [0; 9];
    data.training.read_exact_at(0, &mut start).unwrap();
    assert_eq!(&start, b"Chapter 1");
}

#[test]
fn parts_that_hold_no_crop_are_refused() {
    let (file, _) = halves(950, 50);
    let base = CharLmConfig { text: Some(file.path().into()), ..CharLmConfig::default() };
    let short = |config: &CharLmConfig| match config.build(1, 0).err().expect("too short") {
        TaskError::TooShort { part, len, need, .. } => (part, len, need),
        other => panic!("{other}"),
    };
    // Exactly one crop of 49 predictions fits the 50 held-out bytes.
    assert!(CharLmConfig { crop: 49, ..base.clone() }.build(1, 0).is_ok());
    assert_eq!(short(&CharLmConfig { crop: 50, ..base.clone() }), ("validation", 50, 51));
    assert_eq!(
        short(&CharLmConfig { crop: 950, valid_fraction: 0.5, ..base.clone() }),
        ("training", 500, 951)
    );
    assert!(CharLmConfig { crop: 50, ..base.clone() }.evaluation(Part::Valid, 1, None).is_err());
    let (valid, _) = halves(0, 10);
    let config = CharLmConfig { crop: 10, valid: Some(valid.path().into()), ..base };
    assert_eq!(short(&config), ("validation", 10, 11));
    let one_byte = || Corpus::from_bytes(vec![1]).unwrap();
    assert!(matches!(CharLmEvaluation::new(one_byte(), 1, None), Err(TaskError::TooShort { need: 2, .. })));
    assert!(matches!(CharLm::new(one_byte(), 1, 1, 0), Err(TaskError::TooShort { need: 2, .. })));
}

#[test]
fn configurations_without_meaning_are_refused() {
    let default = || CharLmConfig { corpus_bytes: 10_000, ..CharLmConfig::default() };
    let refused = [
        ("crop", CharLmConfig { crop: 0, ..default() }),
        ("corpus_bytes", CharLmConfig { corpus_bytes: 0, ..default() }),
        ("valid_fraction", CharLmConfig { valid_fraction: 0.0, ..default() }),
        ("valid_fraction", CharLmConfig { valid_fraction: 1.0, ..default() }),
        ("valid_fraction", CharLmConfig { valid_fraction: f64::NAN, ..default() }),
        ("test_fraction", CharLmConfig { test_fraction: 1.0, ..default() }),
        ("test_fraction", CharLmConfig { test_fraction: -0.1, ..default() }),
        ("test_fraction", CharLmConfig { test_fraction: f64::NAN, ..default() }),
    ];
    for (name, config) in refused {
        let error = config.build(1, 0).err().expect("refused");
        assert!(
            matches!(&error, TaskError::Config { task: "char-lm", field, .. } if *field == name),
            "{error}"
        );
    }
    assert!(matches!(default().build(0, 0), Err(TaskError::NoLanes)));
    assert!(matches!(default().evaluation(Part::Valid, 0, None), Err(TaskError::NoLanes)));
    assert!(matches!(
        default().evaluation(Part::Valid, 1, Some(0)),
        Err(TaskError::Config { field: "max_bytes", .. })
    ));
    let missing = CharLmConfig { text: Some("no/such/text".into()), ..default() };
    assert!(matches!(missing.build(1, 0), Err(TaskError::Missing { .. })));
}

#[test]
fn the_mode_chooses_between_crops_and_a_stream() {
    let (file, bytes) = halves(950, 50);
    let config =
        CharLmConfig { text: Some(file.path().into()), mode: Mode::Stream, ..CharLmConfig::default() };
    // 949 predictions in two lanes; a crop of 128 would not fit the held-out part.
    let all = steps(&mut *config.build(2, 4).unwrap(), 2, 1000);
    for (t, step) in all.iter().enumerate() {
        let at = [t % 475, 475 + t % 474];
        assert_eq!(step.input, at.map(|i| u32::from(bytes[i])));
        assert_eq!(step.target, at.map(|i| Some(u32::from(bytes[i + 1]))));
        assert_eq!(step.starts, [t % 475 == 0, t % 474 == 0]);
    }
    assert_eq!(config.evaluation(Part::Valid, 1, None).unwrap().unwrap().steps, 49);
    let crops = CharLmConfig { mode: Mode::Crops, ..config.clone() };
    assert!(matches!(crops.build(2, 4), Err(TaskError::TooShort { part: "validation", need: 129, .. })));
    let nothing_held_out = CharLmConfig { valid_fraction: 0.001, ..config };
    assert!(matches!(nothing_held_out.build(2, 4), Err(TaskError::TooShort { len: 1, need: 2, .. })));
}

#[test]
fn a_text_that_shrinks_under_the_task_is_an_error_and_not_the_end() {
    let (file, _) = halves(1000, 1000);
    let config =
        CharLmConfig { text: Some(file.path().into()), valid_fraction: 0.5, ..CharLmConfig::default() };
    let mut task = config.build(4, 0).unwrap();
    let mut step = Step::new(&*task, 4);
    task.next(&mut step).unwrap();
    fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(100).unwrap();
    let error = (0..128).find_map(|_| task.next(&mut step).err()).expect("the next crops cannot be read");
    assert!(matches!(error, TaskError::Shrunk { len: 2000, now: 100, .. }), "{error}");
}
