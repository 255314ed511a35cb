//! A stream over HTTP, over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr};
use std::time::Duration;

use serde_json::Value;

use crate::support::{command, good, refused};
use crate::{SMALL, both};

/// A server that ends with the test.
struct Served {
    child: Child,
    address: String,
    notes: BufReader<ChildStderr>,
}

impl Served {
    fn new(args: &[&str]) -> Self {
        let at = ["--serve", "127.0.0.1:0"];
        let mut child = command(&[&SMALL, &at[..], args].concat()).spawn().unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        notes.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().to_string();
        assert!(line.contains("listens on http://127.0.0.1:"), "{line}");
        Self { child, address, notes }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Status and body of the response to these bytes.
    fn raw(&self, bytes: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        // A server that refuses does not read to the end.
        drop(stream.write_all(bytes));
        let mut answer = Vec::new();
        // Nor does one that is overrun wait until it can close the connection in good order.
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let host = &self.address;
        let length = body.len();
        self.raw(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    fn post(&self, body: &str) -> (u16, String) {
        self.ask("POST", "/rows", "", body)
    }

    fn state(&self) -> Value {
        let (status, body) = self.ask("GET", "/state", "", "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Ends it by a signal, and returns what it has said.
    fn end(mut self, signal: &str) -> String {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut notes = String::new();
        self.notes.read_to_string(&mut notes).unwrap();
        let code = self.child.wait().unwrap().code();
        assert_eq!(code, (signal != "-KILL").then_some(130), "{notes}");
        notes
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn rows(from: usize, to: usize) -> String {
    let row = |t: usize| format!("{},{}\n", (0.3 * t as f64).sin(), 100.0 + (0.11 * t as f64).cos());
    "a,b\n".to_string() + &(from..to).map(row).collect::<String>()
}

/// The lines of an output behind its header.
fn lines(output: &str) -> Vec<String> {
    output.lines().filter(|line| !line.starts_with("row,")).map(str::to_string).collect()
}

#[test]
fn rows_over_http_are_predicted_as_rows_of_a_file_are() {
    let whole = both(&[], &rows(0, 120)).0;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let args = ["--checkpoint", state.to_str().unwrap()];
    let served = Served::new(&args);
    let mut told = Vec::new();
    for (from, to) in [(0, 1), (1, 50), (50, 70)] {
        let (status, body) = served.post(&rows(from, to));
        assert!(status == 200 && body.starts_with("row,a,"), "{status}: {body}");
        told.extend(lines(&body));
    }
    let now = served.state();
    assert_eq!((&now["rows"], &now["series"][0]["key"]), (&70.into(), &Value::Null));
    let recent = now["series"][0]["recent"].as_array().unwrap();
    assert_eq!((recent.len(), &recent[59]["row"]), (60, &70.into()));
    let last: f64 = told[69].split(',').nth(1).unwrap().parse().unwrap();
    assert_eq!(recent[59]["columns"]["a"]["value"].as_f64(), Some(last));
    // After a signal the rows are saved, and the next server says where it stands before a row comes.
    let notes = served.end("-TERM");
    assert!(notes.contains("70 rows"), "{notes}");
    let served = Served::new(&args);
    assert_eq!((&served.state()["rows"], &served.state()["saved"]), (&70.into(), &70.into()));
    // Without a header, and in JSON lines, which are answered by JSON lines.
    let body = rows(70, 90).replace("a,b\n", "");
    told.extend(lines(&served.post(&body).1));
    let objects: String = rows(90, 120).lines().skip(1).fold(String::new(), |text, line| {
        let (a, b) = line.split_once(',').unwrap();
        text + &format!("{{\"b\":{b},\"a\":{a}}}\n")
    });
    let (status, json) = served.post(&objects);
    assert_eq!(status, 200, "{json}");
    assert!(told == lines(&whole)[..90], "the same bytes");
    let expected = good(&[&SMALL[..], &["--output", "json"]].concat(), &rows(0, 120));
    assert!(json.lines().eq(expected.lines().skip(90)), "the same numbers");
    assert!(!served.end("-INT").contains("panicked"));
}

#[test]
fn a_server_that_is_killed_goes_on_behind_the_rows_that_it_says() {
    let whole = lines(&both(&[], &rows(0, 200)).0);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let args = ["--checkpoint", state.to_str().unwrap(), "--checkpoint-rows", "25"];
    let mut sent = 0;
    for to in [30, 95, 96, 140] {
        let served = Served::new(&args);
        let known = served.state();
        let (taken, saved) =
            (known["rows"].as_u64().unwrap() as usize, known["saved"].as_u64().unwrap() as usize);
        // All but what came since the last checkpoint, which is less than 25 rows; the client sends those again.
        assert!(taken == saved && taken <= sent && sent < taken + 25, "{taken} of {sent}");
        let told = lines(&served.post(&rows(taken, to)).1);
        assert_eq!(told, whole[taken..to], "rows {taken} to {to}");
        sent = to;
        served.end("-KILL");
    }
}

/// The names behind `object.` in a script.
fn fields_of(script: &str, object: &str) -> Vec<String> {
    let named = script.match_indices(object).filter(|(at, _)| {
        !script[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '.' || before == '_')
    });
    let name = |(at, _): (usize, &str)| -> String {
        let rest = script[at + object.len()..].strip_prefix('.').unwrap_or_default();
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    named.map(name).filter(|name| !name.is_empty()).collect()
}

/// What the page's script reads is what the server sends: each field that it takes from an object of `GET /state` is there.
#[test]
fn the_page_reads_what_the_state_says() {
    let served = Served::new(&["--interval", "0.9", "--key", "k", "--horizon", "1,3"]);
    let row = |t: usize| format!("{},{},<b>\n", (0.3 * t as f64).sin(), t % 5);
    let body = "a,b,k\n".to_string() + &(0..80).map(row).collect::<String>();
    assert_eq!(served.post(&body).0, 200);
    let page = served.ask("GET", "/", "", "").1;
    let script = page.split("<script>").nth(1).unwrap();
    let state = served.state();
    let (series, row) = (&state["series"][0], &state["series"][0]["recent"][59]);
    let mut found = 0;
    for (object, value, own) in [
        ("state", &state, &["saved"][..]),
        ("one", series, &[]),
        ("last", row, &["next", "lower", "upper", "length"]),
        ("row", row, &["value", "model", "lower", "upper"]),
    ] {
        for field in fields_of(script, object) {
            // `last` and `row` are also those of a drawing, of one column.
            let there = !value[&field].is_null() || own.contains(&field.as_str());
            assert!(there, "{object}.{field} is read, and there is {value}");
            found += 1;
        }
    }
    assert!(found > 15, "{found}");
    let listed = script.split("const first = [").nth(1).unwrap().split(']').next().unwrap();
    for field in listed.split(',').map(|name| name.trim().trim_matches('"')) {
        assert!(row["columns"]["a"][field].is_number(), "{field} of {row}");
    }
    assert!(row["score"]["model+3"].is_number() && row["kept"]["k"] == "<b>");
}

/// The page in a browser. `chromium` must be installed, which it is not where this project's checks run.
#[test]
#[ignore = "needs Chromium"]
fn the_page_in_a_browser() {
    let served = Served::new(&["--interval", "0.9", "--key", "k"]);
    let row = |t: usize| format!("{},{},<b>x</b>\n", (0.3 * t as f64).sin(), t % 5);
    let body = "a,b,k\n".to_string() + &(0..80).map(row).collect::<String>();
    assert_eq!(served.post(&body).0, 200);
    let classes = Served::new(&["--target", "s", "--categories", "s=on,off"]);
    assert_eq!(classes.post("x,s\n1,on\n2,off\n3,<i>new</i>\n4,on\n").0, 200);
    let shown = |served: &Served| {
        let flags =
            ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"];
        let url = format!("http://{}/", served.address);
        let output = std::process::Command::new("chromium").args(flags).arg(url).output().expect("chromium");
        String::from_utf8(output.stdout).unwrap()
    };
    let page = shown(&served);
    for part in [
        "80 rows; 1 series; score: squared error / variance of the last 500 rows",
        // A key stays text.
        "<h2>&lt;b&gt;x&lt;/b&gt;</h2>",
        "<h2>a</h2>",
        "class=\"band\"",
        "<td>80</td>",
        "score, 1 row ahead: model ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = shown(&classes);
    for part in [
        "share of wrong classes",
        "<td>&lt;i&gt;new&lt;/i&gt;</td>",
        "<th scope=\"col\">probability</th>",
        "frequent",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn nonsense_is_answered_by_what_was_wrong() {
    let served = Served::new(&[]);
    let headers = |more: &str| format!("POST /rows HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n");
    for (bytes, status, part) in [
        (b"\x00\xff\xfe\r\n\r\n".to_vec(), 400, "no HTTP request"),
        (headers("Content-Length: 99999999\r\n").into_bytes(), 413, "the body is too long"),
        (headers("Transfer-Encoding: chunked\r\n").into_bytes(), 411, "Content-Length"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)).into_bytes(), 431, "16 KiB"),
        (
            b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
            404,
            "there are /, /state and /rows",
        ),
        (b"DELETE /rows HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(), 405, "POST /rows"),
        (b"GET /state HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(), 403, "an IP address or localhost"),
        (
            headers("Origin: http://evil.example\r\nContent-Length: 0\r\n").into_bytes(),
            403,
            "another address",
        ),
    ] {
        let (found, body) = served.raw(&bytes);
        assert!(found == status && body.contains(part) && body.lines().count() == 1, "{found}: {body}");
    }
    for (body, part) in [
        ("", "no row"),
        ("a,b\n", "a header and no row"),
        ("\u{0}\u{1}\n", "a header and no row"),
        ("{\"a\":\n", "row 1 (line 1): no JSON object"),
        ("x,y\nfoo,bar\n", "no row of this request was taken"),
    ] {
        let (status, told) = served.post(body);
        assert!(status == 400 && told.contains(part) && told.lines().count() == 1, "{status}: {told}");
    }
    // What was refused has changed nothing, and what comes before a bad row is taken.
    let (status, told) = served.post(&(rows(0, 20) + "1,oops\n" + "7,7\n"));
    assert_eq!(status, 400);
    assert!(
        told.contains("row 21 (line 22): column `b`: `oops`")
            && told.contains("the 20 rows before it were taken"),
        "{told}"
    );
    let (status, told) = served.post("b,a\n1,2\n");
    assert!(status == 400 && told.contains("the columns are a, b"), "{told}");
    assert_eq!(served.post("1,2,3\n").0, 400);
    let rest = served.post(&rows(20, 40)).1;
    assert_eq!(lines(&rest), lines(&both(&[], &rows(0, 40)).0)[20..]);
    // Clients that send nothing, or never end, keep nobody else from being served.
    let idle: Vec<TcpStream> = (0..8).map(|_| served.connect()).collect();
    let mut half = served.connect();
    half.write_all(b"POST /rows HTTP/1.1\r\nContent-Le").unwrap();
    assert_eq!(served.state()["rows"], 40);
    let crowd: Vec<TcpStream> = (0..40).map(|_| served.connect()).collect();
    let (status, _) = served.raw(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(status, 503, "there are too many");
    drop((idle, half, crowd));
    let again = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        served.raw(b"GET / HTTP/1.1\r\n\r\n").0 == 200
    });
    assert!(again, "when they are gone, others are served");
}

#[test]
fn a_token_is_asked_for_and_the_page_shows_nothing_of_the_data_without_it() {
    let token = "0123456789abcdef";
    let served = Served::new(&["--token", token]);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for wrong in
        ["", &bearer("0123456789abcdee"), &bearer("0123456789abcdef0"), "Authorization: Basic eA==\r\n"]
    {
        for (method, path) in [("POST", "/rows"), ("GET", "/state")] {
            let (status, told) = served.ask(method, path, wrong, "a\n1\n");
            assert!(status == 401 && told.contains("Authorization: Bearer"), "{status} {told}");
        }
    }
    let (status, told) = served.ask("POST", "/rows", &bearer(token), "a,k\n1,<script>alert(1)</script>\n");
    assert_eq!(status, 200, "{told}");
    let (status, page) = served.ask("GET", "/", "", "");
    assert!(status == 200 && page.contains("<title>rtrl stream</title>"), "{page}");
    // Text from data is never set as markup.
    for risky in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http-equiv", "src="]
    {
        assert!(!page.contains(risky), "{risky}");
    }
    for (args, part) in [
        (&["--serve", "0.0.0.0:0"][..], "give --token or the variable RTRL_TOKEN"),
        (&["--serve", "127.0.0.1:0", "--token", "short"], "at least 16 letters"),
        (&["--serve", "127.0.0.1"], "an address and a port, as in 127.0.0.1:8080"),
        (&["--serve", "127.0.0.1:0", "data.csv"], "--serve"),
        (&["--token", token], "--serve"),
    ] {
        let told = refused(&[&SMALL[..], args].concat(), "");
        assert!(told.contains(part), "{told}");
    }
}
