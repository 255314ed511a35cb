//! Kinds of sentences, each with its own agreement at a distance, and how they make paragraphs and chapters.

use super::author::{Author, Number, Tense};
use super::words::{
    ASK, BEINGS, COME, COUNT, DO, DOING, GIVE, GO, HANDLING, HAVE, HOW, LOOKS, MEETING, MOODS, NUMBERS, OPEN,
    PLACES, READ, SAY, SELF, THINGS,
};
use Number::{Many, One};

/// Kinds of sentences; each entry is equally likely. Kinds that repeat something said before have more entries than
/// kinds that only agree.
const KINDS: [fn(&mut Author); 22] = [
    Author::state,
    Author::state,
    Author::deeds,
    Author::errand,
    Author::errand,
    Author::speech,
    Author::speech,
    Author::question,
    Author::question,
    Author::question,
    Author::counting,
    Author::counting,
    Author::sum,
    Author::gift,
    Author::label,
    Author::label,
    Author::luggage,
    Author::luggage,
    Author::gathering,
    Author::pairing,
    Author::origin,
    Author::origin,
];

impl Author {
    /// A heading and a few paragraphs. The place named in the heading is repeated at the beginning of the first
    /// paragraph.
    pub(super) fn chapter(&mut self) {
        self.chapters += 1;
        let (look, place) = (self.pick(&LOOKS), self.pick(&PLACES).0);
        self.say(&format!("chapter {}: the {look} {place}", self.chapters));
        self.page.newline();
        for paragraph in 0..6 + self.roll(6) {
            self.tense = self.pick(&[Tense::Present, Tense::Past]);
            self.recast();
            if paragraph == 0 {
                self.say(&format!("at the {look} {place}"));
                self.beings_deed();
                self.page.stop('.');
            }
            self.paragraph();
        }
        self.page.newline();
    }

    fn paragraph(&mut self) {
        for _ in 0..4 + self.roll(5) {
            let write = self.pick(&KINDS);
            write(self);
        }
        self.page.newline();
    }

    /// `The dogs by the mill are tired and cold.`
    fn state(&mut self) {
        let number = self.beings();
        self.be(number);
        let mood = self.favor(&MOODS);
        self.say(mood);
        if self.chance(30) {
            self.say("but not");
            let other = self.favor(&MOODS);
            self.say(other);
        }
        self.page.stop('.');
    }

    fn deeds(&mut self) {
        self.beings_deed();
        if self.chance(40) {
            self.page.mark(',');
            self.say("and");
            self.clause();
        }
        self.page.stop('.');
    }

    /// A few sentences about what one person does; pronouns replace the name after the first.
    fn errand(&mut self) {
        let person = self.someone();
        self.named(person);
        self.deed(One);
        self.page.stop('.');
        for _ in 0..1 + self.roll(2) {
            self.say(person.subject());
            if self.chance(50) {
                let (verb, thing) = (self.favor(&HANDLING), self.favor(&THINGS).0);
                self.verb(verb, One);
                self.say(person.possessive());
                self.say(thing);
                self.whereabouts();
            } else {
                let (verb, how) = (self.favor(&SELF), self.favor(&HOW));
                self.verb(verb, One);
                self.say(person.reflexive());
                self.say(how);
            }
            self.page.stop('.');
        }
    }

    /// `"The mill is old," said Ada, "and the dogs are wet."`
    fn speech(&mut self) {
        let (speaker, other) = self.two();
        self.quoted('"', |author| {
            if author.chance(25) {
                author.say(other.name);
                author.say("says");
                author.quoted('\'', Author::clause);
                author.say("and");
                author.verb(GO, One);
                author.whereabouts();
            } else {
                author.clause();
            }
            author.page.mark(',');
        });
        self.verb(SAY, One);
        self.say(speaker.name);
        if self.chance(40) {
            self.page.mark(',');
            self.quoted('"', |author| {
                author.say("and");
                author.clause();
                author.page.stop('.');
            });
        } else {
            self.page.stop('.');
        }
    }

    /// A question, and the answer of the person who was asked, in the words of the question.
    fn question(&mut self) {
        let (asking, asked) = self.two();
        let (subject, verb, object) = (self.bare(&BEINGS), self.favor(&MEETING), self.bare(&BEINGS));
        self.quoted('"', |author| {
            author.verb(DO, subject.number);
            author.the(subject);
            author.say(verb.0);
            author.the(object);
            author.page.mark('?');
        });
        self.say(asking.name);
        self.verb(ASK, One);
        self.say(asked.name);
        self.page.mark(',');
        self.say("and");
        self.say(asked.subject());
        self.verb(SAY, One);
        self.page.mark(':');
        let yes = self.chance(50);
        self.quoted('"', |author| {
            author.page.capitalize();
            author.say(if yes { "yes" } else { "no" });
            author.page.mark(',');
            author.the(subject);
            if yes {
                author.verb(verb, subject.number);
            } else {
                author.verb(DO, subject.number);
                author.say("not");
                author.say(verb.0);
            }
            author.the(object);
            author.page.stop('.');
        });
    }

    /// `Ada counts the keys: one, two, three. There are three keys.`
    fn counting(&mut self) {
        let (person, things, count) = (self.someone(), self.favor(&THINGS).1, 2 + self.roll(8));
        self.named(person);
        self.verb(COUNT, One);
        self.say("the");
        self.say(things);
        self.page.mark(':');
        self.say("one");
        for number in &NUMBERS[2..=count] {
            self.page.mark(',');
            self.say(number);
        }
        self.page.stop('.');
        self.say("there");
        self.be(Many);
        self.say(NUMBERS[count]);
        self.say(things);
        if self.chance(50) {
            self.whereabouts();
        }
        self.page.stop('.');
    }

    /// `Ada has two keys and Carl has four, so they have six in all.`
    fn sum(&mut self) {
        let (first, second) = self.two();
        let (things, a, b) = (self.favor(&THINGS).1, 2 + self.roll(8), 2 + self.roll(8));
        self.named(first);
        self.verb(HAVE, One);
        self.say(NUMBERS[a]);
        self.say(things);
        self.say("and");
        self.say(second.name);
        self.verb(HAVE, One);
        self.say(NUMBERS[b]);
        self.page.mark(',');
        self.say("so they");
        self.verb(HAVE, Many);
        self.say(NUMBERS[a + b]);
        self.say("in all");
        self.page.stop('.');
    }

    /// `Ada has nine keys and gives four to Carl, so she is left with five.`
    fn gift(&mut self) {
        let (giver, taker) = self.two();
        let (things, kept, given) = (self.favor(&THINGS).1, 2 + self.roll(8), 2 + self.roll(8));
        self.named(giver);
        self.verb(HAVE, One);
        self.say(NUMBERS[kept + given]);
        self.say(things);
        self.say("and");
        self.verb(GIVE, One);
        self.say(NUMBERS[given]);
        self.say("to");
        self.say(taker.name);
        self.page.mark(',');
        self.say("so");
        self.say(giver.subject());
        self.be(One);
        self.say("left with");
        self.say(NUMBERS[kept]);
        self.page.stop('.');
    }

    /// A number of three digits that comes up three times.
    fn label(&mut self) {
        let (person, thing) = (self.someone(), self.favor(&[THINGS[5], THINGS[3], PLACES[1], THINGS[17]]).0);
        let digits = (100 + self.roll(900)).to_string();
        self.say("the number on the");
        self.say(thing);
        self.be(One);
        self.say(&digits);
        self.page.stop('.');
        self.named(person);
        self.verb(READ, One);
        self.say(&digits);
        if self.chance(50) {
            self.say("to");
            self.beings();
        }
        self.say("and");
        self.verb(OPEN, One);
        self.say(thing);
        self.say(&digits);
        self.page.stop('.');
    }

    /// Three things that are taken along, listed again in the same order.
    fn luggage(&mut self) {
        let person = self.someone();
        let mut things = [""; 3];
        for i in 0..things.len() {
            things[i] = loop {
                let thing = self.pick(&THINGS).0;
                if !things[..i].contains(&thing) {
                    break thing;
                }
            };
        }
        self.named(person);
        for (article, connective) in [("a", ""), ("the", "on the way")] {
            let verb = self.favor(&HANDLING);
            if !connective.is_empty() {
                self.say(connective);
                self.say(person.subject());
            }
            self.verb(verb, One);
            for (i, thing) in things.iter().enumerate() {
                match i {
                    0 => {}
                    1 => self.page.mark(','),
                    _ => self.say("and"),
                }
                self.say(article);
                self.say(thing);
            }
            self.page.stop('.');
        }
    }

    /// `Two of them come: Ada and Carl.`
    fn gathering(&mut self) {
        let (first, second) = self.two();
        let third =
            self.cast.into_iter().find(|person| *person != first && *person != second).unwrap_or(first);
        let all = self.chance(50);
        self.say(if all { "three" } else { "two" });
        self.say("of them");
        self.verb(COME, Many);
        self.whereabouts();
        self.page.mark(':');
        self.say(first.name);
        if all {
            self.page.mark(',');
            self.say(second.name);
        }
        self.say("and");
        self.say(if all { third.name } else { second.name });
        self.page.stop('.');
        if !all {
            let verb = self.favor(&DOING);
            self.say(third.name);
            self.verb(verb, One);
            self.say("without them");
            self.page.stop('.');
        }
    }

    /// Connectives that come in pairs.
    fn pairing(&mut self) {
        match self.roll(4) {
            0 => {
                self.say("either");
                self.clause();
                self.say("or");
                self.clause();
            }
            1 => {
                self.say("if");
                self.clause();
                self.page.mark(',');
                self.say("then");
                self.clause();
            }
            kind => {
                let (first, second) = if kind == 2 { ("neither", "nor") } else { ("both", "and") };
                self.say(first);
                self.beings();
                self.say(second);
                let last = self.beings();
                // After `both … and` the verb is plural; after `neither … nor` it agrees with the nearer subject.
                self.predicate(if kind == 2 { last } else { Many });
            }
        }
        self.page.stop('.');
    }

    /// A town that is introduced, and named again a little later.
    fn origin(&mut self) {
        let (person, town) = (self.someone(), self.town());
        self.named(person);
        self.verb(COME, One);
        self.say("from");
        self.say(&town);
        if self.chance(40) {
            self.page.mark(',');
            self.say("a town");
            self.whereabouts();
        }
        self.page.stop('.');
        if self.chance(60) {
            self.say("in");
            self.say(&town);
            self.clause();
        } else {
            let verb = self.favor(&MEETING);
            self.say("the people of");
            self.say(&town);
            self.verb(verb, Many);
            self.say(person.object());
        }
        self.page.stop('.');
    }
}
