use std::collections::{BTreeSet, HashMap};

use super::author::{Author, Number, Tense};
use super::generate;
use super::words::{BEINGS, MEN, NUMBERS, WOMEN};

const SIZE: usize = 2 << 20;

fn text(seed: u64) -> String {
    String::from_utf8(generate(seed, SIZE)).unwrap()
}

/// Sentences, cut at full stops and at line ends. A quotation mark after a full stop belongs to the sentence before
/// it.
fn sentences(text: &str) -> Vec<String> {
    let moved = text.replace(".\"", "\".");
    moved.split(['.', '\n']).map(|sentence| sentence.trim().to_string()).filter(|s| !s.is_empty()).collect()
}

fn words(sentence: &str) -> Vec<&str> {
    sentence.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

fn numbers(words: &[&str]) -> Vec<usize> {
    words.iter().filter_map(|word| NUMBERS.iter().position(|number| number == word)).collect()
}

/// The sentence without the contents of brackets.
fn outside(sentence: &str) -> String {
    let mut depth = 0;
    sentence
        .chars()
        .filter(|c| match c {
            '(' | '[' => {
                depth += 1;
                false
            }
            ')' | ']' => {
                depth -= 1;
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The text must never change unnoticed, since runs are compared across versions and machines.
#[test]
fn the_text_of_a_seed_is_golden() {
    let bytes = generate(0, SIZE);
    let start = "Chapter 1: the big gate\nAt the big gate the boy helped the horses behind the rivers. Petra lost the ropes. She \
                 carried her coin beyond the well.";
    assert_eq!(std::str::from_utf8(&bytes[..start.len()]), Ok(start));
    assert_eq!(format!("{:016x}", fnv(&bytes)), "511e061248ad424a");
}

#[test]
fn more_bytes_continue_the_same_text() {
    let long = generate(4, 100_000);
    for bytes in [0, 1, 77, 5_000, 99_999] {
        assert_eq!(generate(4, bytes), long[..bytes]);
    }
    assert_ne!(generate(5, 1000), long[..1000]);
}

#[test]
fn no_window_of_200_bytes_comes_twice() {
    const WINDOW: usize = 200;
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    let bytes = generate(1, SIZE);
    assert_eq!(bytes.len(), SIZE);
    // A rolling hash modulo 2⁶⁴ finds repeats in one pass; equal hashes are checked byte by byte.
    let leaving = (0..WINDOW).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let (mut hash, mut seen) = (0_u64, HashMap::with_capacity(SIZE));
    for end in 1..=SIZE {
        hash = hash.wrapping_mul(BASE).wrapping_add(u64::from(bytes[end - 1]));
        if end > WINDOW {
            hash = hash.wrapping_sub(u64::from(bytes[end - 1 - WINDOW]).wrapping_mul(leaving));
        }
        if end >= WINDOW
            && let Some(before) = seen.insert(hash, end)
        {
            assert_ne!(
                bytes[before - WINDOW..before],
                bytes[end - WINDOW..end],
                "ending at {before} and {end}"
            );
        }
    }
    assert!(seen.len() > SIZE - 2 * WINDOW);
}

#[test]
fn words_are_few_and_the_characters_plain() {
    let text = text(2);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".,:?()[]\"' \n".contains(c);
    assert_eq!(text.chars().find(|&c| !allowed(c)), None);
    let vocabulary: BTreeSet<String> = words(&text)
        .iter()
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(ToString::to_string)
        .collect();
    assert!((200..600).contains(&vocabulary.len()), "{}", vocabulary.len());
    assert_eq!(vocabulary.iter().find(|word| word.len() > 9), None);
    assert!(!text.contains("  ") && !text.contains(" .") && !text.contains(" ,") && !text.contains("( "));
}

#[test]
fn brackets_and_quotes_are_closed_where_they_were_opened() {
    let text = text(3);
    let (mut brackets, mut nested, mut quotes, mut inner_quotes, mut distances) = (0, 0, 0, 0, Vec::new());
    for line in text.rsplit_once('\n').expect("many lines").0.lines() {
        let mut open: Vec<(char, usize)> = Vec::new();
        for (i, c) in line.char_indices() {
            let closes = match c {
                ')' => Some('('),
                ']' => Some('['),
                '"' | '\'' if open.iter().any(|&(mark, _)| mark == c) => Some(c),
                _ => None,
            };
            if let Some(mark) = closes {
                let (opened, at) = open.pop().expect("nothing is closed that was not opened");
                assert_eq!(opened, mark, "{line}");
                distances.push(i - at);
                quotes += usize::from(mark == '"');
            } else if "([\"'".contains(c) {
                brackets += usize::from(c == '(' || c == '[');
                nested +=
                    usize::from((c == '(' || c == '[') && open.iter().any(|o| o.0 == '(' || o.0 == '['));
                inner_quotes += usize::from(c == '\'');
                assert!(open.iter().all(|&(mark, _)| mark != c), "the kinds alternate: {line}");
                open.push((c, i));
            }
        }
        assert!(open.is_empty(), "{line}");
    }
    assert!(
        brackets > 5000 && nested > 50 && quotes > 9000 && inner_quotes > 500,
        "{brackets} {nested} {quotes}"
    );
    let far = distances.iter().filter(|&&distance| distance > 50).count();
    assert!(far > 500 && distances.iter().any(|&distance| distance > 100), "{far}");
}

#[test]
fn verbs_agree_with_their_subject_across_others() {
    let (mut across, mut total) = (0, 0);
    for sentence in
        sentences(&text(4)).iter().filter(|sentence| sentence.starts_with("The ") && !sentence.contains('"'))
    {
        let outside = outside(sentence);
        let words = words(&outside);
        let being = |word: &str| {
            BEINGS.iter().find_map(|noun| {
                if word == noun.0 {
                    Some(true)
                } else if word == noun.1 {
                    Some(false)
                } else {
                    None
                }
            })
        };
        let Some(one) = words[..words.len().min(3)].iter().find_map(|word| being(word)) else { continue };
        let Some(at) = words.iter().position(|word| ["is", "are", "was", "were"].contains(word)) else {
            continue;
        };
        // After `and` the verb may belong to another clause with another subject.
        if words[..at].contains(&"and") {
            continue;
        }
        assert_eq!(one, ["is", "was"].contains(&words[at]), "{sentence}");
        total += 1;
        across += usize::from(words[..at].iter().any(|word| being(word) == Some(!one)));
    }
    assert!(total > 2000 && across > 200, "{across} of {total}");
}

#[test]
fn verbs_have_number_and_tense() {
    let written = |tense, number| {
        let mut author = Author::new(0, 0);
        author.tense = tense;
        author.verb(("go", "goes", "went"), number);
        author.be(number);
        String::from_utf8(author.page.into_bytes()).unwrap()
    };
    assert_eq!(written(Tense::Present, Number::One), "Goes is");
    assert_eq!(written(Tense::Present, Number::Many), "Go are");
    assert_eq!(written(Tense::Past, Number::One), "Went was");
    assert_eq!(written(Tense::Past, Number::Many), "Went were");
}

#[test]
fn a_paragraph_keeps_its_tense_outside_quotes() {
    let (mut past, mut present) = (0, 0);
    for line in text(5).lines().filter(|line| !line.is_empty()) {
        let outside: String = line.split('"').step_by(2).collect();
        let words = words(&outside);
        let has = |forms: &[&str]| words.iter().any(|word| forms.contains(word));
        let (then, now) = (
            has(&["was", "were", "had", "said", "came"]),
            has(&["is", "are", "has", "have", "says", "comes"]),
        );
        assert!(!(then && now), "{line}");
        past += usize::from(then);
        present += usize::from(now);
    }
    assert!(past > 1000 && present > 1000, "{past} {present}");
}

#[test]
fn pronouns_agree_with_whom_they_stand_for() {
    let woman = |word: &str| match word {
        "She" => Some(true),
        "He" => Some(false),
        name if WOMEN.contains(&name) => Some(true),
        name if MEN.contains(&name) => Some(false),
        _ => None,
    };
    let (mut last, mut reflexive, mut gifts, mut pronouns) = (None, 0, 0, 0);
    for sentence in &sentences(&text(6)) {
        let words = words(sentence);
        let subject = woman(words[0]);
        if ["She", "He"].contains(&words[0]) {
            assert_eq!(subject, last, "{sentence}");
            pronouns += 1;
        }
        for (word, gender) in [("herself", true), ("himself", false), ("her", true), ("his", false)] {
            if subject.is_some() && words[1..].contains(&word) {
                assert_eq!(subject, Some(gender), "{sentence}");
                reflexive += 1;
            }
        }
        if sentence.contains(", so she ") || sentence.contains(", so he ") {
            assert_eq!(subject, Some(sentence.contains(", so she ")), "{sentence}");
            gifts += 1;
        }
        last = subject;
    }
    assert!(reflexive > 1000 && gifts > 500 && pronouns > 1000, "{reflexive} {gifts} {pronouns}");
}

#[test]
fn counts_sums_and_remainders_are_right() {
    let (mut sums, mut gifts, mut counts, mut counted) = (0, 0, 0, None);
    for sentence in &sentences(&text(7)) {
        let words = words(sentence);
        let found = numbers(&words);
        if sentence.ends_with("in all") {
            assert_eq!(found.len(), 3, "{sentence}");
            assert_eq!(found[0] + found[1], found[2], "{sentence}");
            sums += 1;
        } else if sentence.contains("left with") {
            assert_eq!(found.len(), 3, "{sentence}");
            assert_eq!(found[0] - found[1], found[2], "{sentence}");
            gifts += 1;
        } else if words[0] == "There" {
            let (things, last) = counted.take().expect("counted before");
            assert_eq!((words[3].to_string(), found), (things, vec![last]), "{sentence}");
            counts += 1;
        } else if let Some((before, list)) = sentence.split_once(": one,") {
            assert_eq!(numbers(&self::words(list)), (2..=found.len()).collect::<Vec<_>>(), "{sentence}");
            counted = Some((self::words(before).last().unwrap().to_string(), found.len()));
        }
    }
    assert!(sums > 500 && gifts > 500 && counts > 1000, "{sums} {gifts} {counts}");
}

#[test]
fn members_of_a_list_are_as_many_as_announced() {
    let mut lists = HashMap::new();
    for sentence in sentences(&text(8)).iter().filter(|sentence| sentence.contains(" of them c")) {
        let (announced, members) = sentence.split_once(':').expect("a list follows");
        let members: BTreeSet<_> = words(members).into_iter().filter(|&word| word != "and").collect();
        let expected = if announced.starts_with("Two") { 2 } else { 3 };
        assert_eq!(members.len(), expected, "{sentence}");
        *lists.entry(expected).or_insert(0) += 1;
    }
    assert!(lists[&2] > 200 && lists[&3] > 200, "{lists:?}");
}

#[test]
fn towns_labels_and_luggage_come_up_again() {
    let text = text(9);
    let all = sentences(&text);
    let (mut towns, mut labels, mut luggage) = (0, 0, 0);
    for pair in all[..all.len() - 1].windows(2) {
        let words = words(&pair[0]);
        if let Some(at) = words.iter().position(|&word| word == "from") {
            assert!(self::words(&pair[1]).contains(&words[at + 1]), "{pair:?}");
            towns += 1;
        }
        if pair[0].starts_with("The number on the") {
            let again = format!(" {}", words.last().unwrap());
            assert_eq!(outside(&pair[1]).matches(&again).count(), 2, "{pair:?}");
            labels += 1;
        }
        if pair[1].starts_with("On the way") {
            // `a cup, a map and a key` is repeated as `the cup, the map and the key`.
            let list = words[words.len() - 7..].iter().map(|&word| if word == "a" { "the" } else { word });
            let again = self::words(&pair[1]);
            assert!(again[again.len() - 7..].iter().copied().eq(list), "{pair:?}");
            luggage += 1;
        }
    }
    assert!(towns > 1000 && labels > 1000 && luggage > 1000, "{towns} {labels} {luggage}");
}

#[test]
fn questions_are_answered_in_their_own_words() {
    let text = text(10);
    let (mut yes, mut no) = (0, 0);
    for chunk in text.split('"').collect::<Vec<_>>().windows(3).filter(|chunk| chunk[0].ends_with('?')) {
        let question = words(chunk[0]);
        let answer = words(chunk[2]);
        assert!(["Do", "Does"].contains(&question[0]), "{chunk:?}");
        if answer[0] == "No" {
            let denied: Vec<_> =
                answer[1..].iter().filter(|word| !["do", "does", "not"].contains(word)).collect();
            assert!(denied.iter().eq(&question[1..].iter().collect::<Vec<_>>()), "{chunk:?}");
            no += 1;
        } else {
            // Only the verb may differ, in its ending.
            let differ = question[1..].iter().zip(&answer[1..]).filter(|(asked, said)| asked != said).count();
            assert_eq!(
                (question.len(), differ),
                (answer.len(), usize::from(question[0] == "Does")),
                "{chunk:?}"
            );
            yes += 1;
        }
    }
    assert!(yes > 1000 && no > 1000, "{yes} {no}");
}

#[test]
fn words_that_come_in_pairs_do() {
    let mut found = HashMap::new();
    for sentence in &sentences(&text(11)) {
        for (first, second) in [("Either", "or"), ("Neither", "nor"), ("Both", "and"), ("If", "then")] {
            if sentence.starts_with(first) {
                assert!(words(sentence).contains(&second), "{sentence}");
                *found.entry(first).or_insert(0) += 1;
            }
        }
    }
    assert!(found.len() == 4 && found.values().all(|&count| count > 100), "{found:?}");
}

#[test]
fn chapters_are_numbered_and_begin_where_they_are_named() {
    let text = text(12);
    let lines: Vec<&str> = text.lines().collect();
    let mut chapter = 0;
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("Chapter")) {
        chapter += 1;
        let place = pair[0].strip_prefix(&format!("Chapter {chapter}: ")).expect("numbered in order");
        assert!(pair[1].starts_with(&format!("At {place} ")), "{pair:?}");
    }
    assert!(chapter > 300, "{chapter}");
}
