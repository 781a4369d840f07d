//! What a server asks a user (MCP elicitation): a form, field by field, or a visit to a page.
//!
//! Nothing is sent that was not shown before, and everything can be declined or broken off. Without a
//! terminal it is declined, with a note.

use hallpass::Hallpass;
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction};
use serde_json::{Map, Value, json};
use url::Url;

use super::schema::{Kind, Properties, Property, shown};
use crate::{
    environment::Environment,
    output::{Output, Tone},
    program::Program,
    terminal::InputLines,
    text,
};

/// Asks one user for one server.
pub(super) struct Elicitor {
    server: String,
    /// Judges the pages.
    hallpass: Hallpass,
    environment: Environment,
    output: Output,
    typed: InputLines,
}

/// Why there is no answer.
enum Stopped {
    /// The user does not want to answer.
    Declined,
    /// The user went away.
    Cancelled,
}

impl Elicitor {
    pub(super) fn new(program: &Program, hallpass: &Hallpass) -> Self {
        Self {
            server: hallpass.key().server.to_string(),
            hallpass: hallpass.clone(),
            environment: program.environment.clone(),
            output: program.output.clone(),
            typed: InputLines::new(&program.environment),
        }
    }

    pub(super) async fn answer(&self, request: ElicitRequestParams) -> ElicitResult {
        let answer = match request {
            ElicitRequestParams::FormElicitationParams {
                message,
                requested_schema,
                ..
            } => {
                let form = json!(requested_schema);
                let form = form
                    .as_object()
                    .map(Properties::from_schema)
                    .unwrap_or_default();
                self.form(&message, &form).await.map(Some)
            }
            ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
                self.visit(&message, &url).await.map(|()| None)
            }
            _ => {
                let why = "this program does not know what that is";
                Err(self.declined_for("something", why))
            }
        };
        match answer {
            Ok(Some(fields)) => {
                ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(fields))
            }
            Ok(None) => ElicitResult::new(ElicitationAction::Accept),
            Err(Stopped::Declined) => ElicitResult::new(ElicitationAction::Decline),
            Err(Stopped::Cancelled) => ElicitResult::new(ElicitationAction::Cancel),
        }
    }

    async fn form(&self, message: &str, form: &Properties) -> Result<Map<String, Value>, Stopped> {
        if !self.environment.stdin_is_terminal() {
            self.declined(&format!("\"{}\"", text::line(message)));
            return Err(Stopped::Declined);
        }
        self.ask(message);
        if !form.known.is_empty() {
            self.output.status(
                "  enter takes what is in brackets, `!decline` declines, Ctrl-D or `!cancel` breaks off",
            );
        }
        loop {
            let mut fields = Map::new();
            for property in &form.known {
                if let Some(value) = self.field(property).await? {
                    fields.insert(property.name.clone(), value);
                }
            }
            if !form.known.is_empty() {
                let preview = Value::Object(fields.clone()).to_string();
                self.output.status(&format!("  {}", text::json(&preview)));
            }
            match self
                .line("  send this? yes, no or again [yes]: ")
                .await?
                .as_str()
            {
                "" | "y" | "yes" => return Ok(fields),
                "n" | "no" => return Err(Stopped::Declined),
                _ => {}
            }
        }
    }

    /// One field, asked for until it is what the server wants. Empty leaves out what may be left
    /// out. What the server wrote is marked: no line of it can be taken for one of this program.
    async fn field(&self, property: &Property) -> Result<Option<Value>, Stopped> {
        let schema = &property.schema;
        let name = text::line(schema.title.as_deref().unwrap_or(&property.name));
        let name = self.output.stderr_paint().tone(Tone::Name, &name);
        let mut about = text::line(&schema.kind.describe());
        if !property.required {
            about.push_str(", may be left out");
        }
        if let Some(description) = &schema.description {
            self.output
                .status(&format!("  | {}", text::line(description)));
        }
        if let Kind::Choice(values) = &schema.kind {
            for (value, name) in values.iter().filter(|(value, name)| shown(value) != *name) {
                let (value, name) = (text::line(&shown(value)), text::line(name));
                self.output.status(&format!("  |   {value}: {name}"));
            }
        }
        let usual = schema
            .default
            .as_ref()
            .map(|value| text::line(&shown(value)));
        let usual = usual.map(|usual| format!(" [{usual}]")).unwrap_or_default();
        loop {
            let word = self.line(&format!("  | {name} ({about}){usual}: ")).await?;
            if word.is_empty() {
                if let Some(value) = &schema.default {
                    return Ok(Some(value.clone()));
                }
                if !property.required {
                    return Ok(None);
                }
            }
            match schema.kind.read(&word) {
                Ok(value) => return Ok(Some(value)),
                Err(wrong) => {
                    let hint = wrong.hint().map(|hint| format!("; {hint}"));
                    let line = format!("{wrong}{}", hint.unwrap_or_default());
                    self.output.status(&format!("    {}", text::line(&line)));
                }
            }
        }
    }

    /// A page to visit. Only a user opens it: a server could have any page opened otherwise. One in a
    /// network that is none of the server's is not shown as one to visit.
    async fn visit(&self, message: &str, url: &str) -> Result<(), Stopped> {
        let page = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http"));
        let Some(page) = page else {
            let why = "its URL is no web page's";
            return Err(self.declined_for("to visit something", why));
        };
        if !page.username().is_empty() || page.password().is_some() {
            let why = "its URL has user information, which can look like another host";
            return Err(self.declined_for("to visit a page", why));
        }
        if let Err(refused) = self.hallpass.check_navigation(&page) {
            let why = text::line(&refused.to_string());
            return Err(self.declined_for("to visit a page", &why));
        }
        if !self.environment.stdin_is_terminal() {
            self.declined(&format!("to visit {page} (\"{}\")", text::line(message)));
            return Err(Stopped::Declined);
        }
        self.ask(message);
        self.output.status(&format!("  visit\n\n    {page}\n"));
        match self.line("  go on? yes or no [no]: ").await?.as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Stopped::Declined),
        }
    }

    /// Says who asks for what: servers must not seem to be this program.
    fn ask(&self, message: &str) {
        let lead = format!("{} asks:", self.server);
        let lead = self.output.stderr_paint().tone(Tone::Name, &lead);
        self.output
            .status(&format!("{lead} {}", text::marked(message)));
    }

    fn declined(&self, what: &str) {
        self.declined_for(what, "there is no terminal to answer at");
    }

    fn declined_for(&self, what: &str, why: &str) -> Stopped {
        let server = &self.server;
        self.output.status(&format!(
            "note: {server} asks {what}; declined, because {why}"
        ));
        Stopped::Declined
    }

    async fn line(&self, question: &str) -> Result<String, Stopped> {
        self.output.ask(question);
        let line = self.typed.line().await.ok_or(Stopped::Cancelled)?;
        match line.trim() {
            "!decline" => Err(Stopped::Declined),
            "!cancel" => Err(Stopped::Cancelled),
            line => Ok(line.to_owned()),
        }
    }
}
