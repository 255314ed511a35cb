//! The datasets that can be fetched: one entry each.
//!
//! Sizes and hashes were looked up in public code that downloads the same files and checks them, each in at least two
//! places that do not copy each other; where is said beside the entry. Nothing here is a guess.

/// A text that can be fetched: one archive, and what is in it.
#[derive(Debug, Clone, Copy)]
pub struct Dataset {
    /// What it is called on the command line, and its folder inside the data folder.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Where its authors describe it.
    pub source: &'static str,
    /// Under which terms it may be used.
    pub license: &'static str,
    /// Addresses of the archive, tried in this order.
    pub urls: &'static [&'static str],
    /// File name of the archive.
    pub archive: &'static str,
    /// Exact size of the archive.
    pub bytes: u64,
    /// SHA-256 of the archive, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// How the files lie in the archive.
    pub packing: Packing,
    /// Every file of the archive.
    pub members: &'static [Member],
}

/// How files lie in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// The archive is the one file.
    Plain,
    /// A zip archive.
    Zip,
}

/// A file of a dataset.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its path in the archive.
    pub inside: &'static str,
    /// Its name in the folder of the dataset.
    pub name: &'static str,
    /// No more bytes than this are unpacked.
    pub at_most: u64,
}

/// Every dataset, in the order of the list.
pub const CATALOGUE: &[Dataset] = &[WIKITEXT_103, ENWIK8, TEXT8, TINY_SHAKESPEARE, NYC_TAXI];

/// The dataset of the SnAp paper's language model.
///
/// Size: `datasets/wikitext/README.md` of huggingface/datasets (`download_size`). SHA-256: Julia packages that register
/// the archive with DataDeps, and several download scripts in Python; one pins size and hash together. The bucket of
/// the authors' company is said to refuse by now, so that the first author's own host and a copy come first.
const WIKITEXT_103: Dataset = Dataset {
    name: "wikitext-103",
    what: "Good and Featured articles of Wikipedia, raw characters",
    source: "https://arxiv.org/abs/1609.07843 (Merity et al., Pointer Sentinel Mixture Models)",
    license: "CC BY-SA (its dataset card names 3.0 with GFDL, and 4.0)",
    urls: &[
        "https://wikitext.smerity.com/wikitext-103-raw-v1.zip",
        "https://huggingface.co/datasets/mattdangerw/wikitext-103-raw/resolve/main/wikitext-103-raw-v1.zip",
        "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-103-raw-v1.zip",
    ],
    archive: "wikitext-103-raw-v1.zip",
    bytes: 191_984_949,
    sha256: "91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794",
    packing: Packing::Zip,
    // The sizes of the splits on the dataset card. They count four bytes more for each line and two less for each blank
    // one, hence are above the sizes of the files.
    members: &[
        Member { inside: "wikitext-103-raw/wiki.train.raw", name: "wiki.train.raw", at_most: 546_501_673 },
        Member { inside: "wikitext-103-raw/wiki.valid.raw", name: "wiki.valid.raw", at_most: 1_159_292 },
        Member { inside: "wikitext-103-raw/wiki.test.raw", name: "wiki.test.raw", at_most: 1_305_092 },
    ],
};

/// Sizes: the source page. SHA-256: a Julia package that registers it with DataDeps, the benchmarks of several compressors.
const ENWIK8: Dataset = Dataset {
    name: "enwik8",
    what: "first 10^8 bytes of the Wikipedia dump of March 2006, with markup",
    source: "http://mattmahoney.net/dc/textdata.html",
    license: "GFDL (the terms of Wikipedia in 2006)",
    urls: &["https://mattmahoney.net/dc/enwik8.zip", "http://mattmahoney.net/dc/enwik8.zip"],
    archive: "enwik8.zip",
    bytes: 36_445_475,
    sha256: "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
    packing: Packing::Zip,
    members: &[Member { inside: "enwik8", name: "enwik8", at_most: 100_000_000 }],
};

/// Size: what the word2vec tutorials of TensorFlow check. SHA-256: examples in Haskell and Python that check it.
const TEXT8: Dataset = Dataset {
    name: "text8",
    what: "the same dump reduced to 10^8 letters and spaces",
    source: "http://mattmahoney.net/dc/textdata.html",
    license: "GFDL (the terms of Wikipedia in 2006)",
    urls: &["https://mattmahoney.net/dc/text8.zip", "http://mattmahoney.net/dc/text8.zip"],
    archive: "text8.zip",
    bytes: 31_344_016,
    sha256: "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
    packing: Packing::Zip,
    members: &[Member { inside: "text8", name: "text8", at_most: 100_000_000 }],
};

/// Size and SHA-256: many scripts that check both, some at this very revision.
const TINY_SHAKESPEARE: Dataset = Dataset {
    name: "tinyshakespeare",
    what: "parts of Shakespeare's plays",
    source: "https://github.com/karpathy/char-rnn",
    license: "public domain (the repository: MIT)",
    urls: &[
        "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
    ],
    archive: "tinyshakespeare.txt",
    bytes: 1_115_394,
    sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    packing: Packing::Plain,
    members: &[Member { inside: "tinyshakespeare.txt", name: "input.txt", at_most: 1_115_394 }],
};

/// Size and SHA-256: of a copy of commit ea7f86e, which published figures were computed beside.
const NYC_TAXI: Dataset = Dataset {
    name: "nyc-taxi",
    what: "taxi rides in New York, a count every half hour",
    source: "https://github.com/numenta/htmresearch (projects/sequence_prediction; Cui, Ahmad & Hawkins, 2016)",
    license: "open data of the NYC Taxi & Limousine Commission (the repository: AGPL-3.0)",
    urls: &[
        "https://raw.githubusercontent.com/numenta/htmresearch/master/projects/sequence_prediction/data/nyc_taxi.csv",
    ],
    archive: "nyc_taxi.csv",
    bytes: 577_247,
    sha256: "092d957f5bb0d2cd62f85098ed2268114a47b4738a5f4b29ea6be4be7349fc4d",
    packing: Packing::Plain,
    members: &[Member { inside: "nyc_taxi.csv", name: "nyc_taxi.csv", at_most: 577_247 }],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_whole() {
        for dataset in CATALOGUE {
            let name = dataset.name;
            assert_eq!(CATALOGUE.iter().filter(|other| other.name == name).count(), 1, "{name} twice");
            assert_eq!(
                CATALOGUE.iter().filter(|other| other.archive == dataset.archive).count(),
                1,
                "{name}"
            );
            assert!(dataset.sha256.len() == 64, "{name}");
            assert!(dataset.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{name}");
            assert!(dataset.bytes > 0 && !dataset.urls.is_empty() && !dataset.members.is_empty(), "{name}");
            assert!(dataset.urls.iter().all(|url| url.starts_with("http")), "{name}");
            assert!(dataset.packing == Packing::Zip || dataset.members.len() == 1, "{name}");
            // Names become paths.
            let names = dataset.members.iter().map(|member| member.name).chain([name, dataset.archive]);
            for file in names {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                assert!(file.chars().all(plain) && !file.starts_with('.'), "{name}: {file}");
            }
        }
    }
}
