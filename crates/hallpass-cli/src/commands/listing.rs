//! What a server offers: tools, prompts, resources and their templates. How one is listed, and found
//! by its name.

use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};

use crate::{
    exit::CommandError,
    output::{Output, Tone},
    text,
};

/// Something that a server offers.
pub(super) trait Listed {
    /// What one of them is called.
    const KIND: &'static str;

    /// What it is asked for by.
    fn key(&self) -> &str;

    /// What else is known of it, in a few words each.
    fn about(&self) -> Vec<String>;

    /// What it is for.
    fn description(&self) -> Option<&str>;
}

impl Listed for Tool {
    const KIND: &'static str = "tool";

    fn key(&self) -> &str {
        &self.name
    }

    fn about(&self) -> Vec<String> {
        Vec::new()
    }

    /// Its first line: the rest is for a model.
    fn description(&self) -> Option<&str> {
        let mut lines = self.description.as_deref().unwrap_or_default().lines();
        lines.find(|line| !line.trim().is_empty())
    }
}

impl Listed for Prompt {
    const KIND: &'static str = "prompt";

    fn key(&self) -> &str {
        &self.name
    }

    fn about(&self) -> Vec<String> {
        self.title.clone().into_iter().collect()
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

impl Listed for Resource {
    const KIND: &'static str = "resource";

    fn key(&self) -> &str {
        &self.uri
    }

    fn about(&self) -> Vec<String> {
        let size = self.size.map(|size| format!("{size} bytes"));
        let about = [Some(self.name.clone()), self.mime_type.clone(), size];
        about.into_iter().flatten().collect()
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

impl Listed for ResourceTemplate {
    const KIND: &'static str = "template";

    fn key(&self) -> &str {
        &self.uri_template
    }

    fn about(&self) -> Vec<String> {
        let about = [Some(self.name.clone()), self.mime_type.clone()];
        about.into_iter().flatten().collect()
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// Lists one: its name, what is known of it, and what it is for.
pub(super) fn show(it: &impl Listed, output: &Output) {
    let name = output.paint().tone(Tone::Name, &text::line(it.key()));
    let about: Vec<_> = it.about().iter().map(|text| text::line(text)).collect();
    output.line(format!("{name}  {}", about.join(", ")).trim_end());
    if let Some(description) = it.description() {
        let description = text::line(description);
        let description = text::wrap(&description, output.width(), 4);
        output.line(&format!("    {description}"));
    }
}

/// The end of a list: that there is nothing in it, or the line that does more with one.
pub(super) fn end<T: Listed>(is_empty: bool, line: &str, does: &str, output: &Output) {
    if is_empty {
        output.status(&format!("the server has no {}s", T::KIND));
    } else if !output.is_json() {
        output.hint(&format!("`{line}` {does}"));
    }
}

/// The one of this name, or which one was probably meant.
pub(super) fn find<'a, T: Listed>(all: &'a [T], name: &str) -> Result<&'a T, CommandError> {
    let names = || all.iter().map(Listed::key);
    all.iter().find(|it| it.key() == name).ok_or_else(|| {
        let hint = match text::nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if all.is_empty() => format!("the server has no {}s", T::KIND),
            None => format!("there is {}", names().collect::<Vec<_>>().join(", ")),
        };
        CommandError::usage(format!("the server has no {} `{name}`", T::KIND)).hint(hint)
    })
}
