//! The author: who is on stage, the tense, and the phrases that agree with both.

use super::page::Page;
use super::words::{
    BEINGS, DOING, HANDLING, HOW, LOOKS, MEETING, MEN, MOODS, NEAR, Noun, PLACES, SAY, THINGS, TOWN_HEADS,
    TOWN_TAILS, Verb, WOMEN,
};
use crate::streams::{Stream, below, lane_streams};

/// Keeps the text apart from other uses of the same seed.
const SALT: u64 = 0x6772_616d_6d61_7273;
/// How deep noun phrases may be nested; at this depth they have no modifiers.
const DEEPEST: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Present,
    Past,
}

/// Grammatical number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    One,
    Many,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: &'static str,
    woman: bool,
}

impl Person {
    pub(super) fn subject(self) -> &'static str {
        if self.woman { "she" } else { "he" }
    }

    pub(super) fn object(self) -> &'static str {
        if self.woman { "her" } else { "him" }
    }

    pub(super) fn possessive(self) -> &'static str {
        if self.woman { "her" } else { "his" }
    }

    pub(super) fn reflexive(self) -> &'static str {
        if self.woman { "herself" } else { "himself" }
    }
}

/// A noun phrase without modifiers, kept so that it can be said more than once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bare {
    look: Option<&'static str>,
    noun: Noun,
    pub(super) number: Number,
}

#[derive(Debug)]
pub(super) struct Author {
    pub(super) page: Page,
    stream: Stream,
    pub(super) tense: Tense,
    /// Three different people, who act in the current paragraph.
    pub(super) cast: [Person; 3],
    pub(super) chapters: u32,
    /// How many noun phrases the current one is nested in.
    depth: u32,
    /// Open brackets, innermost last.
    open: Vec<char>,
}

impl Author {
    pub(super) fn new(seed: u64, capacity: usize) -> Self {
        // The last chapter may run over the number of bytes requested.
        let page = Page::new(capacity.saturating_add(16 << 10));
        let nobody = Person { name: "", woman: false };
        let stream = lane_streams(SALT, seed, 1).remove(0);
        Self { page, stream, tense: Tense::Past, cast: [nobody; 3], chapters: 0, depth: 0, open: Vec::new() }
    }

    // ---- choices

    pub(super) fn roll(&mut self, n: usize) -> usize {
        below(&mut self.stream, n as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    /// Prefers the first entries, as word frequencies do: the probability falls linearly along the list.
    pub(super) fn favor<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len()).min(self.roll(of.len()))]
    }

    fn stranger(&mut self) -> Person {
        let woman = self.chance(50);
        Person { name: self.pick(if woman { &WOMEN } else { &MEN }), woman }
    }

    /// Replaces the cast by new people, all different.
    pub(super) fn recast(&mut self) {
        for i in 0..self.cast.len() {
            self.cast[i] = loop {
                let person = self.stranger();
                if !self.cast[..i].contains(&person) {
                    break person;
                }
            };
        }
    }

    pub(super) fn someone(&mut self) -> Person {
        self.pick(&self.cast.clone())
    }

    /// Two different people of the cast.
    pub(super) fn two(&mut self) -> (Person, Person) {
        let (first, shift) = (self.roll(3), 1 + self.roll(2));
        (self.cast[first], self.cast[(first + shift) % 3])
    }

    pub(super) fn number(&mut self) -> Number {
        if self.chance(50) { Number::One } else { Number::Many }
    }

    /// The name of a town, usually one that has not occurred before.
    pub(super) fn town(&mut self) -> String {
        let (head, tail) = (self.pick(&TOWN_HEADS), self.pick(&TOWN_TAILS));
        format!("{head}{tail}")
    }

    pub(super) fn bare(&mut self, nouns: &[Noun]) -> Bare {
        let look = if self.chance(40) { Some(self.favor(&LOOKS)) } else { None };
        Bare { look, noun: self.favor(nouns), number: self.number() }
    }

    // ---- phrases

    pub(super) fn say(&mut self, words: &str) {
        self.page.words(words);
    }

    pub(super) fn verb(&mut self, verb: Verb, number: Number) {
        let (many, one, past) = verb;
        self.say(match (self.tense, number) {
            (Tense::Past, _) => past,
            (Tense::Present, Number::One) => one,
            (Tense::Present, Number::Many) => many,
        });
    }

    pub(super) fn be(&mut self, number: Number) {
        self.say(match (self.tense, number) {
            (Tense::Past, Number::One) => "was",
            (Tense::Past, Number::Many) => "were",
            (Tense::Present, Number::One) => "is",
            (Tense::Present, Number::Many) => "are",
        });
    }

    pub(super) fn the(&mut self, bare: Bare) {
        self.say("the");
        if let Some(look) = bare.look {
            self.say(look);
        }
        self.say(match bare.number {
            Number::One => bare.noun.0,
            Number::Many => bare.noun.1,
        });
    }

    /// `by the mill`, `behind the gates`.
    pub(super) fn whereabouts(&mut self) {
        let (near, place) = (self.favor(&NEAR), self.favor(&PLACES));
        self.say(near);
        self.say("the");
        let word = if self.chance(60) { place.0 } else { place.1 };
        self.say(word);
    }

    /// A bracket around `inside`. Inside another bracket it is of the other kind.
    pub(super) fn bracketed(&mut self, inside: impl FnOnce(&mut Self)) {
        let (open, close) = match self.open.last() {
            Some('(') => ('[', ']'),
            Some(_) => ('(', ')'),
            None => self.pick(&[('(', ')'), ('[', ']')]),
        };
        self.open.push(open);
        self.page.open(open);
        inside(self);
        self.open.pop();
        self.page.mark(close);
    }

    /// `inside` between quotation marks, in the present tense whatever the tense around it.
    pub(super) fn quoted(&mut self, mark: char, inside: impl FnOnce(&mut Self)) {
        let tense = std::mem::replace(&mut self.tense, Tense::Present);
        self.page.open(mark);
        inside(self);
        self.page.mark(mark);
        self.tense = tense;
    }

    /// A noun phrase about beings, with modifiers that may separate it from its verb. Returns the number of its
    /// head.
    pub(super) fn beings(&mut self) -> Number {
        let head = self.bare(&BEINGS);
        self.the(head);
        if self.depth < DEEPEST {
            self.depth += 1;
            self.modifier(head.number);
            self.depth -= 1;
        }
        head.number
    }

    fn modifier(&mut self, head: Number) {
        match self.roll(20) {
            0..=6 => self.whereabouts(),
            7..=9 => {
                // `that the cats chase`: the inner verb agrees with the inner noun.
                self.say("that");
                let number = self.beings();
                let verb = self.favor(&MEETING);
                self.verb(verb, number);
            }
            10..=11 => {
                self.say("that");
                let verb = self.favor(&MEETING);
                self.verb(verb, head);
                self.beings();
            }
            12..=14 if self.open.len() < 2 => self.bracketed(Self::aside),
            _ => {}
        }
    }

    /// The content of a bracket, short or long. It never has a verb that belongs to the subject outside.
    fn aside(&mut self) {
        match self.roll(4) {
            0 => {
                let (mood, other) = (self.favor(&MOODS), self.favor(&MOODS));
                self.say(mood);
                self.say("or");
                self.say(other);
            }
            1 => {
                let person = self.someone();
                self.say("so");
                self.say(person.name);
                self.verb(SAY, Number::One);
            }
            2 => {
                self.say("not");
                self.beings();
            }
            _ => {
                self.say("so");
                self.beings_deed();
            }
        }
    }

    /// The name of a person, sometimes followed by an aside in brackets.
    pub(super) fn named(&mut self, person: Person) {
        self.say(person.name);
        if self.open.is_empty() && self.chance(20) {
            self.bracketed(|author| {
                author.say("who");
                author.predicate(Number::One);
            });
        }
    }

    /// A noun phrase about beings, and what they do.
    pub(super) fn beings_deed(&mut self) {
        let number = self.beings();
        self.deed(number);
    }

    /// A verb phrase: what a subject does.
    pub(super) fn deed(&mut self, number: Number) {
        self.depth += 1;
        match self.roll(3) {
            0 => {
                let (verb, how) = (self.favor(&DOING), self.favor(&HOW));
                self.verb(verb, number);
                self.say(how);
            }
            1 => {
                let verb = self.favor(&MEETING);
                self.verb(verb, number);
                self.beings();
            }
            _ => {
                let (verb, thing) = (self.favor(&HANDLING), self.bare(&THINGS));
                self.verb(verb, number);
                self.the(thing);
            }
        }
        self.depth -= 1;
    }

    /// A verb phrase: what a subject is or does.
    pub(super) fn predicate(&mut self, number: Number) {
        if self.chance(40) {
            let mood = self.favor(&MOODS);
            self.be(number);
            self.say(mood);
        } else {
            self.deed(number);
        }
    }

    /// A subject and its predicate.
    pub(super) fn clause(&mut self) {
        let number = if self.chance(30) {
            let person = self.someone();
            self.named(person);
            Number::One
        } else {
            self.beings()
        };
        self.predicate(number);
    }
}
