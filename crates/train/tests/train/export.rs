//! Exported metrics, read back by code that shares nothing with the exporter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rtrl_train::{
    Alignment, MetricsFormat, Record, RunConfig, RunOptions, TrainError, export_metrics, read_metrics, run,
};

/// A run folder with these lines as its metrics.
fn folder(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
    let to = folder.path().join("out.tfevents");
    (folder, to)
}

fn record(step: u64) -> Record {
    Record {
        step,
        characters: 4 * step,
        bits: None,
        error: None,
        level: None,
        valid_bits: None,
        valid_error: None,
        skipped_lanes: 0,
        rolled_back: None,
        alignment: Vec::new(),
        seconds: step as f64 / 8.0,
    }
}

/// Records with every quantity, some of them zero.
fn records() -> Vec<Record> {
    let alignment = Alignment {
        label: "SnAp-1, \"quoted\"".into(),
        group: "all".into(),
        cosine: 0.25,
        norm_ratio: 2.0,
        sign_agreement: 0.75,
        windows: 3,
        diverged: 0,
    };
    vec![
        Record { bits: Some(2.5), level: Some(1), ..record(10) },
        Record { bits: Some(0.0), valid_bits: Some(1.0 / 3.0), alignment: vec![alignment], ..record(20) },
        Record { rolled_back: Some("from step 30: a, \"b\"".into()), ..record(20) },
        Record { error: Some(1e-30), skipped_lanes: 2, ..record(30) },
    ]
}

fn lines(records: &[Record]) -> String {
    records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
}

/// One field of a protobuf message, by the description of the encoding.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = *bytes.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut bytes)),
            1 => Field::Fixed64(bytes.split_off(..8).unwrap().try_into().unwrap()),
            2 => {
                let len = varint(&mut bytes) as usize;
                Field::Bytes(bytes.split_off(..len).unwrap())
            }
            5 => Field::Fixed32(bytes.split_off(..4).unwrap().try_into().unwrap()),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

/// CRC-32C computed bit by bit, masked.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    wall_time: f64,
    step: u64,
    version: String,
    scalars: Vec<(String, f32)>,
}

/// The events of a file; asserts that all checksums are right.
fn events(path: &Path) -> Vec<Event> {
    let content = std::fs::read(path).unwrap();
    let mut rest = &content[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let length = rest.split_off(..8).unwrap();
        assert_eq!(rest.split_off(..4).unwrap(), checksum(length).to_le_bytes());
        let message = rest.split_off(..u64::from_le_bytes(length.try_into().unwrap()) as usize).unwrap();
        assert_eq!(rest.split_off(..4).unwrap(), checksum(message).to_le_bytes());
        let mut event = Event::default();
        for field in fields(message) {
            match field {
                (1, Field::Fixed64(time)) => event.wall_time = f64::from_le_bytes(time),
                (2, Field::Varint(step)) => event.step = step,
                (3, Field::Bytes(version)) => event.version = String::from_utf8(version.to_vec()).unwrap(),
                (5, Field::Bytes(summary)) => event.scalars = fields(summary).iter().map(scalar).collect(),
                other => panic!("{other:?}"),
            }
        }
        events.push(event);
    }
    events
}

fn scalar((number, value): &(u64, Field<'_>)) -> (String, f32) {
    let Field::Bytes(value) = value else { panic!("{value:?}") };
    assert_eq!(*number, 1);
    match &fields(value)[..] {
        [(1, Field::Bytes(tag)), (2, Field::Fixed32(x))] => {
            (String::from_utf8(tag.to_vec()).unwrap(), f32::from_le_bytes(*x))
        }
        other => panic!("{other:?}"),
    }
}

/// Tests the reader above with the check value of CRC-32C from the catalog of checksums.
#[test]
fn the_readers_checksum_is_crc_32c() {
    assert_eq!(checksum(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
}

#[test]
fn tensorboard_files_hold_what_was_measured() {
    let (folder, to) = folder(&lines(&records()));
    assert_eq!(export_metrics(folder.path(), MetricsFormat::TensorBoard, &to).unwrap(), 4);
    let events = events(&to);
    assert_eq!((events.len(), events[0].version.as_str(), events[0].step), (5, "brain.Event:2", 0));
    let scalars = |i: usize| -> BTreeMap<&str, f32> {
        events[i].scalars.iter().map(|(tag, x)| (tag.as_str(), *x)).collect()
    };
    assert_eq!(scalars(1), BTreeMap::from([("characters", 40.0), ("bits", 2.5), ("level", 1.0)]));
    let alignment = |what: &str| format!("alignment/SnAp-1, \"quoted\"/all/{what}");
    let (cosine, ratio, signs) = (alignment("cosine"), alignment("norm_ratio"), alignment("sign_agreement"));
    let expected = [
        ("characters", 80.0),
        ("bits", 0.0),
        ("valid_bits", 1.0 / 3.0),
        (&cosine[..], 0.25),
        (&ratio[..], 2.0),
        (&signs[..], 0.75),
    ];
    assert_eq!(scalars(2), BTreeMap::from(expected));
    assert_eq!(scalars(3), BTreeMap::from([("characters", 80.0)]));
    assert_eq!(scalars(4), BTreeMap::from([("characters", 120.0), ("error", 1e-30), ("skipped_lanes", 2.0)]));
    assert_eq!(events.iter().map(|e| e.step).collect::<Vec<_>>(), [0, 10, 20, 20, 30]);
    // Without a lock, the run began as many seconds before the last change of its metrics as its last record has.
    assert_eq!(events[4].wall_time - events[0].wall_time, 3.75);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
        - events[4].wall_time;
    assert!((0.0..600.0).contains(&age), "{age} s");
}

#[test]
fn tables_hold_what_was_measured() {
    let (folder, to) = folder(&lines(&records()));
    export_metrics(folder.path(), MetricsFormat::Csv, &to).unwrap();
    let expected = "\
step,seconds,characters,bits,level,valid_bits,\
\"alignment/SnAp-1, \"\"quoted\"\"/all/cosine\",\"alignment/SnAp-1, \"\"quoted\"\"/all/norm_ratio\",\
\"alignment/SnAp-1, \"\"quoted\"\"/all/sign_agreement\",rolled_back,error,skipped_lanes
10,1.25,40,2.5,1,,,,,,,
20,2.5,80,0,,0.3333333333333333,0.25,2,0.75,,,
20,2.5,80,,,,,,,\"from step 30: a, \"\"b\"\"\",,
30,3.75,120,,,,,,,,0.000000000000000000000000000001,2
";
    assert_eq!(std::fs::read_to_string(&to).unwrap(), expected);
}

/// A run in progress. A line that is still being written is left out, and new records are appended to the same
/// file. After the run has gone back the file is replaced.
#[test]
fn running_runs_can_be_followed() {
    use std::io::Read;
    let all = records();
    let (folder, to) = folder(&(lines(&all[..2]) + "{\"step\": 30, \"chara"));
    std::fs::write(folder.path().join("lock"), "").unwrap();
    let metrics = folder.path().join("metrics.jsonl");
    let export = || export_metrics(folder.path(), MetricsFormat::TensorBoard, &to).unwrap();
    assert_eq!(export(), 2);
    let mut follower = std::fs::File::open(&to).unwrap();
    let mut seen = Vec::new();
    follower.read_to_end(&mut seen).unwrap();
    std::fs::write(&metrics, lines(&all)).unwrap();
    assert_eq!(export(), 4);
    follower.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, std::fs::read(&to).unwrap());
    assert_eq!(events(&to).len(), 5);
    std::fs::write(&metrics, lines(&all[..1])).unwrap();
    assert_eq!(export(), 1);
    assert_eq!(events(&to).len(), 2);
}

#[test]
fn what_cannot_be_converted_is_said() {
    let (folder, to) = folder("{\"step\": 1}\n");
    let export = |from: &Path, to: &Path| export_metrics(from, MetricsFormat::Csv, to).unwrap_err();
    assert!(matches!(export(folder.path(), &to), TrainError::Damaged { line: 1, .. }));
    assert!(!to.exists());
    let none = export(&folder.path().join("none"), &to).to_string();
    assert!(none.contains("cannot read") && none.contains("metrics.jsonl"), "{none}");
    std::fs::write(folder.path().join("metrics.jsonl"), lines(&records())).unwrap();
    // A file cannot be used as a folder.
    let nowhere = export(folder.path(), &folder.path().join("metrics.jsonl/metrics.csv")).to_string();
    assert!(nowhere.contains("cannot write"), "{nowhere}");
}

/// A real run is exported from its folder.
#[test]
fn a_run_is_converted() {
    let config = "
        task = { kind = 'copy' }
        layers = [{ kind = 'gru', units = 8 }]
        estimator = { kind = 'snap', order = 1 }
        optimizer = { kind = 'adam', learning_rate = 0.01 }
        training = { lanes = 2, window = 1, steps = 50, seed = 0, log_every = 10 }
        compare = { passive = [{ label = 'RFLO', estimator = { kind = 'rflo', leak = 0.9 } }] }";
    let config = RunConfig::from_toml(config, "test").unwrap();
    let root = tempfile::tempdir().unwrap();
    let options = RunOptions::new(root.path());
    run(&config, &options, &mut |_| (), &AtomicBool::new(false)).unwrap();
    let folder = root.path().join(config.folder());
    let to = root.path().join("events.out.tfevents.1");
    assert_eq!(export_metrics(&folder, MetricsFormat::TensorBoard, &to).unwrap(), 5);
    let metrics = read_metrics(&folder.join("metrics.jsonl")).unwrap();
    for (event, record) in events(&to)[1..].iter().zip(&metrics) {
        let found = |tag: &str| event.scalars.iter().find(|(t, _)| t == tag).map(|(_, x)| *x);
        assert_eq!(event.step, record.step);
        assert_eq!(found("bits"), record.bits.map(|bits| bits as f32));
        assert_eq!(found("alignment/RFLO/all/cosine"), Some(record.alignment[0].cosine as f32));
    }
}
