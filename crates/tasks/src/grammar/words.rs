//! The vocabulary of the generated text: a few hundred short words. All lists are our own.

/// A noun: singular, plural.
pub(super) type Noun = (&'static str, &'static str);

/// A verb: plural (also the infinitive), singular, past.
pub(super) type Verb = (&'static str, &'static str, &'static str);

pub(super) const WOMEN: [&str; 24] = [
    "Ada", "Berta", "Clara", "Dora", "Edith", "Flora", "Greta", "Hilda", "Ines", "Jana", "Katja", "Lena",
    "Mira", "Nora", "Olga", "Petra", "Rosa", "Sonja", "Thea", "Ulla", "Vera", "Wanda", "Yara", "Zora",
];

pub(super) const MEN: [&str; 24] = [
    "Adam", "Boris", "Carl", "David", "Emil", "Felix", "Georg", "Hugo", "Ivan", "Jonas", "Kurt", "Leo",
    "Max", "Nils", "Oskar", "Paul", "Rolf", "Simon", "Tomas", "Urban", "Viktor", "Walter", "Yuri", "Zeno",
];

pub(super) const BEINGS: [Noun; 20] = [
    ("dog", "dogs"),
    ("cat", "cats"),
    ("boy", "boys"),
    ("girl", "girls"),
    ("horse", "horses"),
    ("bird", "birds"),
    ("man", "men"),
    ("woman", "women"),
    ("fox", "foxes"),
    ("goat", "goats"),
    ("child", "children"),
    ("guard", "guards"),
    ("baker", "bakers"),
    ("sailor", "sailors"),
    ("mouse", "mice"),
    ("farmer", "farmers"),
    ("thief", "thieves"),
    ("nurse", "nurses"),
    ("goose", "geese"),
    ("clerk", "clerks"),
];

pub(super) const THINGS: [Noun; 26] = [
    ("cup", "cups"),
    ("key", "keys"),
    ("lamp", "lamps"),
    ("book", "books"),
    ("map", "maps"),
    ("box", "boxes"),
    ("coin", "coins"),
    ("hat", "hats"),
    ("ring", "rings"),
    ("stone", "stones"),
    ("rope", "ropes"),
    ("knife", "knives"),
    ("spoon", "spoons"),
    ("bell", "bells"),
    ("drum", "drums"),
    ("candle", "candles"),
    ("basket", "baskets"),
    ("letter", "letters"),
    ("wheel", "wheels"),
    ("pear", "pears"),
    ("loaf", "loaves"),
    ("shell", "shells"),
    ("button", "buttons"),
    ("ladder", "ladders"),
    ("mirror", "mirrors"),
    ("kettle", "kettles"),
];

pub(super) const PLACES: [Noun; 18] = [
    ("mill", "mills"),
    ("gate", "gates"),
    ("barn", "barns"),
    ("river", "rivers"),
    ("bridge", "bridges"),
    ("well", "wells"),
    ("garden", "gardens"),
    ("tower", "towers"),
    ("wall", "walls"),
    ("field", "fields"),
    ("church", "churches"),
    ("inn", "inns"),
    ("market", "markets"),
    ("road", "roads"),
    ("hill", "hills"),
    ("lake", "lakes"),
    ("stable", "stables"),
    ("harbor", "harbors"),
];

/// Adjectives that follow a form of "be".
pub(super) const MOODS: [&str; 18] = [
    "tired", "hungry", "cold", "wet", "calm", "angry", "late", "lost", "happy", "proud", "quiet", "ill",
    "afraid", "lame", "warm", "safe", "alone", "blind",
];

/// Adjectives that come before a noun; none begins with a vowel, which would need "an".
pub(super) const LOOKS: [&str; 16] = [
    "red", "big", "small", "white", "black", "green", "blue", "young", "tall", "brown", "thin", "strange",
    "gray", "heavy", "round", "lean",
];

pub(super) const NEAR: [&str; 6] = ["by", "near", "behind", "beyond", "at", "before"];

pub(super) const HOW: [&str; 10] = [
    "again",
    "alone",
    "all day",
    "at night",
    "often",
    "in vain",
    "slowly",
    "in the rain",
    "early",
    "with care",
];

/// Verbs that need no object.
pub(super) const DOING: [Verb; 16] = [
    ("wait", "waits", "waited"),
    ("sleep", "sleeps", "slept"),
    ("run", "runs", "ran"),
    ("sing", "sings", "sang"),
    ("work", "works", "worked"),
    ("rest", "rests", "rested"),
    ("fall", "falls", "fell"),
    ("hide", "hides", "hid"),
    ("laugh", "laughs", "laughed"),
    ("stand", "stands", "stood"),
    ("dance", "dances", "danced"),
    ("cry", "cries", "cried"),
    ("return", "returns", "returned"),
    ("swim", "swims", "swam"),
    ("eat", "eats", "ate"),
    ("shout", "shouts", "shouted"),
];

/// Verbs whose object is a being.
pub(super) const MEETING: [Verb; 14] = [
    ("see", "sees", "saw"),
    ("know", "knows", "knew"),
    ("hear", "hears", "heard"),
    ("follow", "follows", "followed"),
    ("help", "helps", "helped"),
    ("fear", "fears", "feared"),
    ("love", "loves", "loved"),
    ("call", "calls", "called"),
    ("watch", "watches", "watched"),
    ("chase", "chases", "chased"),
    ("feed", "feeds", "fed"),
    ("trust", "trusts", "trusted"),
    ("find", "finds", "found"),
    ("miss", "misses", "missed"),
];

/// Verbs whose object is a thing.
pub(super) const HANDLING: [Verb; 12] = [
    ("take", "takes", "took"),
    ("bring", "brings", "brought"),
    ("sell", "sells", "sold"),
    ("hold", "holds", "held"),
    ("lose", "loses", "lost"),
    ("keep", "keeps", "kept"),
    ("drop", "drops", "dropped"),
    ("want", "wants", "wanted"),
    ("carry", "carries", "carried"),
    ("break", "breaks", "broke"),
    ("steal", "steals", "stole"),
    ("clean", "cleans", "cleaned"),
];

/// Verbs that take a reflexive pronoun.
pub(super) const SELF: [Verb; 6] = [
    ("wash", "washes", "washed"),
    ("hurt", "hurts", "hurt"),
    ("dress", "dresses", "dressed"),
    ("blame", "blames", "blamed"),
    ("praise", "praises", "praised"),
    ("hide", "hides", "hid"),
];

pub(super) const HAVE: Verb = ("have", "has", "had");
pub(super) const DO: Verb = ("do", "does", "did");
pub(super) const SAY: Verb = ("say", "says", "said");
pub(super) const ASK: Verb = ("ask", "asks", "asked");
pub(super) const COME: Verb = ("come", "comes", "came");
pub(super) const GO: Verb = ("go", "goes", "went");
pub(super) const GIVE: Verb = ("give", "gives", "gave");
pub(super) const COUNT: Verb = ("count", "counts", "counted");
pub(super) const READ: Verb = ("read", "reads", "read");
pub(super) const OPEN: Verb = ("open", "opens", "opened");

/// Zero to twenty.
pub(super) const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// First and last parts of the names of towns.
pub(super) const TOWN_HEADS: [&str; 20] = [
    "Bar", "Cal", "Dor", "Fen", "Gil", "Hol", "Kar", "Lum", "Mel", "Nor", "Pol", "Quen", "Ros", "Sul", "Tar",
    "Ven", "Wil", "Yel", "Zan", "Ost",
];
pub(super) const TOWN_TAILS: [&str; 20] = [
    "ban", "dock", "fels", "gard", "ham", "kirk", "lin", "mora", "nak", "pek", "rick", "sund", "ter", "vik",
    "wold", "zig", "beck", "dun", "mouth", "ley",
];
