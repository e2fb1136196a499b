//! A curl command line as people paste it: which request it would send.
//!
//! Only what decides is read; options that change how curl talks, shows or retries are known and skipped. What an
//! unexpanded variable or a pipe would bring is not known and is said.

use std::collections::VecDeque;
use thiserror::Error;

/// The request of a curl command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curl {
    /// The method.
    pub method: String,
    /// Path and query, as curl sends them.
    pub target: String,
    /// The host of the URL.
    pub host: String,
    /// Header fields.
    pub fields: Vec<(String, String)>,
    /// The user name.
    pub user: Option<String>,
    /// The parts of the body, in order; none where it sends no body.
    pub data: Option<Vec<Data>>,
    /// Where curl would do something that is not meant.
    pub warnings: Vec<String>,
}

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// As it stands.
    Text(String),
    /// A file, byte by byte.
    File(String),
    /// A file without its line ends, as `-d @FILE` sends it.
    FlatFile(String),
    /// Standard input.
    Stdin,
}

/// Why a command line is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CurlError {
    /// The shell would not take it.
    #[error("the shell would not take this: a quote is not closed")]
    Quote,
    /// No curl in it.
    #[error("expected a command line that calls curl")]
    NoCurl,
    /// An option that changes the request in a way that is not read here.
    #[error("the option {0} is not read here; describe the request by --method, --path, --header and --body")]
    Option(String),
    /// An option without its value.
    #[error("the option {0} lacks its value")]
    Value(String),
    /// No URL.
    #[error("the command line has no URL")]
    NoUrl,
    /// A URL that curl refuses.
    #[error("curl refuses the URL {0:?}: {1}")]
    Url(String, &'static str),
}

/// Long options with a value that does not change the request.
const SKIPPED_VALUES: &[&str] = &[
    "--cacert",
    "--capath",
    "--cert",
    "--connect-timeout",
    "--connect-to",
    "--cookie-jar",
    "--key",
    "--limit-rate",
    "--max-time",
    "--output",
    "--proxy",
    "--resolve",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--stderr",
    "--tlsv",
    "--trace",
    "--trace-ascii",
    "--write-out",
];
/// Long options without a value that do not change the request.
const SKIPPED: &[&str] = &[
    "--compressed",
    "--fail",
    "--fail-with-body",
    "--globoff",
    "--http1.1",
    "--include",
    "--insecure",
    "--ipv4",
    "--ipv6",
    "--location",
    "--no-progress-meter",
    "--progress-bar",
    "--retry-all-errors",
    "--retry-connrefused",
    "--show-error",
    "--silent",
    "--tlsv1.2",
    "--tlsv1.3",
    "--verbose",
];

impl Curl {
    /// Reads a command line, which may stand behind a pipe and before another.
    ///
    /// # Errors
    /// Why it is not a request that can be judged.
    pub fn read(line: &str) -> Result<Self, CurlError> {
        // The shell takes a line that goes on for one.
        let line = line.replace("\\\r\n", "").replace("\\\n", "");
        let words = shlex::split(&line).ok_or(CurlError::Quote)?;
        let call = |word: &String| word == "curl" || word.ends_with("/curl");
        let start = words.iter().position(call).ok_or(CurlError::NoCurl)?;
        let ends = |word: &String| matches!(word.as_str(), "|" | "||" | "&&" | ";" | "&" | ">" | ">>" | "2>&1" | "<");
        let own: VecDeque<String> = words.into_iter().skip(start + 1).take_while(|word| !ends(word)).collect();
        let mut reading = Reading { words: own, ..Reading::default() };
        while let Some(word) = reading.words.pop_front() {
            reading.word(word)?;
        }
        reading.finish()
    }
}

#[derive(Default)]
struct Reading {
    words: VecDeque<String>,
    curl: Curl,
    urls: Vec<String>,
    method: Option<String>,
    upload: Option<String>,
    get: bool,
    head: bool,
    globoff: bool,
    path_as_is: bool,
}

impl Reading {
    fn word(&mut self, word: String) -> Result<(), CurlError> {
        if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            self.words.push_front(value.to_owned());
            return self.long(name);
        }
        match word.strip_prefix('-') {
            Some(rest) if rest.starts_with('-') => self.long(&word),
            Some(letters) if !letters.is_empty() => self.short(letters),
            _ => {
                self.urls.push(word);
                Ok(())
            }
        }
    }

    fn value(&mut self, option: &str) -> Result<String, CurlError> {
        self.words.pop_front().ok_or_else(|| CurlError::Value(option.to_owned()))
    }

    fn long(&mut self, name: &str) -> Result<(), CurlError> {
        match name {
            "--globoff" => self.globoff = true,
            "--path-as-is" => self.path_as_is = true,
            "--get" => self.get = true,
            "--head" => self.head = true,
            name if SKIPPED.contains(&name) => {}
            name if SKIPPED_VALUES.contains(&name) => {
                self.value(name)?;
            }
            name => {
                let value = self.value(name)?;
                self.option(name, value)?;
            }
        }
        Ok(())
    }

    /// Letters run together; the first that takes a value takes the rest.
    fn short(&mut self, letters: &str) -> Result<(), CurlError> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let long = match letter {
                'X' => "--request",
                'H' => "--header",
                'u' => "--user",
                'd' => "--data",
                'T' => "--upload-file",
                'A' => "--user-agent",
                'o' | 'w' | 'm' | 'x' | 'E' | 'c' => "--output",
                's' | 'S' | 'f' | 'L' | 'v' | 'k' | 'i' | '4' | '6' | '#' | 'N' | 'O' => continue,
                'g' => {
                    self.globoff = true;
                    continue;
                }
                'G' => {
                    self.get = true;
                    continue;
                }
                'I' => {
                    self.head = true;
                    continue;
                }
                other => return Err(CurlError::Option(format!("-{other}"))),
            };
            if !rest.as_str().is_empty() {
                self.words.push_front(rest.as_str().to_owned());
            }
            return self.long(long);
        }
        Ok(())
    }

    fn option(&mut self, name: &str, value: String) -> Result<(), CurlError> {
        match name {
            "--request" => self.method = Some(value),
            "--url" => self.urls.push(value),
            "--user" => self.curl.user = Some(value.split(':').next().unwrap_or_default().to_owned()),
            "--user-agent" => self.curl.fields.push(("User-Agent".to_owned(), value)),
            "--oauth2-bearer" => self.curl.fields.push(("Authorization".to_owned(), format!("Bearer {value}"))),
            "--header" => {
                // `Name;` sends an empty field, `Name:` takes a field of curl's own away.
                if let Some(name) = value.strip_suffix(';').filter(|name| !name.contains(':')) {
                    self.curl.fields.push((name.to_owned(), String::new()));
                } else if let Some((name, value)) = value.split_once(':').filter(|(_, v)| !v.trim().is_empty()) {
                    self.curl.fields.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "--upload-file" => self.upload = Some(value),
            "--data" | "--data-ascii" => self.data(&value, Data::FlatFile),
            "--data-binary" => self.data(&value, Data::File),
            "--data-raw" => self.add(Data::Text(value)),
            other => return Err(CurlError::Option(other.to_owned())),
        }
        Ok(())
    }

    fn data(&mut self, value: &str, file: fn(String) -> Data) {
        match value.strip_prefix('@') {
            Some("-") => self.add(Data::Stdin),
            Some(name) => self.add(file(name.to_owned())),
            None => self.add(Data::Text(value.to_owned())),
        }
    }

    fn add(&mut self, part: Data) {
        let data = self.curl.data.get_or_insert_default();
        if !data.is_empty() {
            data.push(Data::Text("&".to_owned()));
        }
        data.push(part);
    }

    fn finish(mut self) -> Result<Curl, CurlError> {
        let mut urls = std::mem::take(&mut self.urls).into_iter();
        let url = urls.next().ok_or(CurlError::NoUrl)?;
        let others: Vec<String> = urls.collect();
        if !others.is_empty() {
            self.curl.warnings.push(format!(
                "curl takes {} for further URLs; a value with a space must be quoted, and then encoded",
                others.iter().map(|url| format!("{url:?}")).collect::<Vec<_>>().join(", ")
            ));
        }
        self.url(&url)?;
        if let Some(file) = self.upload.take() {
            if self.curl.target.ends_with('/') {
                let name = file.rsplit('/').next().unwrap_or_default();
                self.curl.warnings.push(format!("curl appends the name of the file to a URL that ends in /: {name}"));
                self.curl.target.push_str(name);
            }
            self.add(if file == "-" || file == "." { Data::Stdin } else { Data::File(file) });
            self.method.get_or_insert_with(|| "PUT".to_owned());
        } else if self.curl.data.is_some() && !self.get {
            let typed = self.curl.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if !typed {
                let form = "application/x-www-form-urlencoded".to_owned();
                self.curl.fields.push(("Content-Type".to_owned(), form));
            }
        }
        let method = match () {
            () if self.head => "HEAD",
            () if self.curl.data.is_some() && !self.get => "POST",
            () => "GET",
        };
        self.curl.method = self.method.take().unwrap_or_else(|| method.to_owned());
        if self.get && self.curl.data.take().is_some() {
            self.curl.warnings.push("-G sends the data in the URL's query, which a push may not have".to_owned());
            self.curl.target.push_str("?data");
        }
        self.curl.data = self.curl.data.take().filter(|data| !data.is_empty());
        let shown = [&self.curl.target, &self.curl.host].into_iter().chain(self.curl.fields.iter().map(|(_, v)| v));
        if shown.into_iter().any(|text| text.contains('$')) {
            self.curl.warnings.push("a variable ($NAME) is not expanded here; write its value".to_owned());
        }
        Ok(self.curl)
    }

    fn url(&mut self, url: &str) -> Result<(), CurlError> {
        let refused = |why| CurlError::Url(url.to_owned(), why);
        if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refused("it holds a space; send the value as NAME@base64/..."));
        }
        if !self.globoff && url.contains(['{', '}', '[', ']']) && !url.contains("${") {
            return Err(refused("{ } [ ] are patterns to it; escape them or add -g"));
        }
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                self.curl.user.get_or_insert_with(|| name.to_owned());
                host
            }
            None => authority,
        };
        if host.is_empty() {
            return Err(refused("it names no host"));
        }
        self.curl.host = host.to_owned();
        let path = path.split('#').next().unwrap_or_default();
        let (path, query) = path.split_at_checked(path.find('?').unwrap_or(path.len())).unwrap_or((path, ""));
        let path = if path.is_empty() { "/" } else { path };
        let sent = if self.path_as_is { path.to_owned() } else { without_dots(path) };
        if sent != path {
            self.curl.warnings.push(format!("curl resolves the dots in the path and sends {sent}"));
        }
        self.curl.target = format!("{sent}{query}");
        Ok(())
    }
}

/// RFC 3986, 5.2.4, as curl does it before it sends.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
