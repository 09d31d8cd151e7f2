//! What each address of the dashboard shows, and the address of each page. They are the same in a static copy.

use longshore_policy::route::ServiceId;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Services by stack: the sheet of this number, from 1.
    Overview(usize),
    /// What goes on, waits or has failed, of all stacks.
    Now,
    /// A service, with its history.
    Service(ServiceId),
    /// A deployment of a service, by its number.
    Deployment(ServiceId, u32),
    Stack(String),
    Mirror(String),
}

/// What can be done to a service or a stack from the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Approve,
    Hold,
    Resume,
    RollBack,
    /// Compare a stack with its template. That changes nothing, but costs time and calls.
    Drift,
}

const VERBS: [(Verb, &str); 5] = [
    (Verb::Approve, "approve"),
    (Verb::Hold, "hold"),
    (Verb::Resume, "resume"),
    (Verb::RollBack, "rollback"),
    (Verb::Drift, "drift"),
];

/// What somebody wants to do, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub verb: Verb,
    pub stack: String,
    /// Without one, all services of the stack are meant.
    pub service: Option<String>,
}

/// What an address below the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Page(Page),
    /// Says what would be done, and asks whether it should be.
    Question(Act),
    /// Does it: only by POST.
    Deed(Act),
    Style,
    Script,
}

/// The style sheet, beside the overview.
pub const STYLE: &str = "page.css";

/// The script, beside the overview.
pub const SCRIPT: &str = "page.js";

/// Whether a name of a stack or a service can stand in an address and in the name of a file: those that Longshore
/// allows can. What else stands in the bucket is nothing that it wrote.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
}

impl Page {
    /// The address below the token, or the file of a static copy.
    pub fn path(&self) -> String {
        match self {
            Self::Overview(0 | 1) => "index.html".to_owned(),
            Self::Overview(sheet) => format!("index-{sheet}.html"),
            Self::Now => "now.html".to_owned(),
            Self::Service(ServiceId { stack, service }) => {
                format!("services/{stack}/{service}.html")
            }
            Self::Deployment(ServiceId { stack, service }, number) => {
                format!("services/{stack}/{service}/{number}.html")
            }
            Self::Stack(stack) => format!("stacks/{stack}.html"),
            Self::Mirror(stack) => format!("mirrors/{stack}.html"),
        }
    }
}

impl Verb {
    /// The verb as addresses name it.
    pub fn name(self) -> &'static str {
        VERBS
            .iter()
            .find(|(verb, _)| *verb == self)
            .map_or("", |(_, name)| name)
    }
}

impl Act {
    /// What it is done to: `shop`, or `shop/api`.
    pub fn subject(&self) -> String {
        match &self.service {
            Some(service) => format!("{}/{service}", self.stack),
            None => self.stack.clone(),
        }
    }

    /// The address of the question.
    pub fn question(&self) -> String {
        format!("ask/{}/{}.html", self.verb.name(), self.subject())
    }

    /// The address that does it.
    pub fn deed(&self) -> String {
        format!("do/{}/{}", self.verb.name(), self.subject())
    }

    /// The page that it is done from, and that shows what came of it.
    pub fn page(&self) -> Page {
        match &self.service {
            Some(service) => Page::Service(ServiceId {
                stack: self.stack.clone(),
                service: service.clone(),
            }),
            None => Page::Stack(self.stack.clone()),
        }
    }
}

impl Address {
    /// Reads what follows the token; `None` where nothing is there.
    pub fn read(path: &str) -> Option<Self> {
        match path {
            "" => return Some(Self::Page(Page::Overview(1))),
            STYLE => return Some(Self::Style),
            SCRIPT => return Some(Self::Script),
            _ => {}
        }
        if let Some(deed) = path.strip_prefix("do/") {
            return act(deed).map(Self::Deed);
        }
        let path = path.strip_suffix(".html")?;
        if let Some(question) = path.strip_prefix("ask/") {
            return act(question).map(Self::Question);
        }
        page(path).map(Self::Page)
    }
}

fn page(path: &str) -> Option<Page> {
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.iter().all(|part| is_plain(part)) {
        return None;
    }
    let service_id = |stack: &str, service: &str| ServiceId {
        stack: stack.to_owned(),
        service: service.to_owned(),
    };
    Some(match parts[..] {
        ["index"] => Page::Overview(1),
        ["now"] => Page::Now,
        [sheet] => Page::Overview(number(sheet.strip_prefix("index-")?)?),
        ["services", stack, service] => Page::Service(service_id(stack, service)),
        ["services", stack, service, deployment] => {
            let number = u32::try_from(number(deployment)?).ok()?;
            Page::Deployment(service_id(stack, service), number)
        }
        ["stacks", stack] => Page::Stack(stack.to_owned()),
        ["mirrors", stack] => Page::Mirror(stack.to_owned()),
        _ => return None,
    })
}

fn act(path: &str) -> Option<Act> {
    let parts: Vec<&str> = path.split('/').collect();
    let (verb, stack, service) = match parts[..] {
        [verb, stack] => (verb, stack, None),
        [verb, stack, service] => (verb, stack, Some(service)),
        _ => return None,
    };
    let (verb, _) = VERBS.into_iter().find(|(_, name)| *name == verb)?;
    let needs_service = matches!(verb, Verb::Approve | Verb::RollBack);
    let takes_service = verb != Verb::Drift;
    let is_right = match service {
        Some(service) => takes_service && is_plain(service),
        None => !needs_service,
    };
    (is_right && is_plain(stack)).then(|| Act {
        verb,
        stack: stack.to_owned(),
        service: service.map(str::to_owned),
    })
}

/// A number from 1, as it is written: no sign, no leading zero.
fn number(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> ServiceId {
        ServiceId {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
        }
    }

    #[test]
    fn every_page_is_found_at_its_own_address() {
        for page in [
            Page::Overview(1),
            Page::Overview(3),
            Page::Now,
            Page::Service(api()),
            Page::Deployment(api(), 42),
            Page::Stack("shop".to_owned()),
            Page::Mirror("bottles".to_owned()),
        ] {
            assert_eq!(
                Address::read(&page.path()),
                Some(Address::Page(page.clone())),
                "{}",
                page.path()
            );
        }
        assert_eq!(Address::read(""), Some(Address::Page(Page::Overview(1))));
    }

    #[test]
    fn every_act_is_asked_about_at_one_address_and_done_at_another() {
        for (verb, service) in [
            (Verb::Approve, Some("api")),
            (Verb::RollBack, Some("api")),
            (Verb::Hold, None),
            (Verb::Resume, Some("api")),
            (Verb::Drift, None),
        ] {
            let act = Act {
                verb,
                stack: "shop".to_owned(),
                service: service.map(str::to_owned),
            };
            let question = Address::read(&act.question());
            assert_eq!(question, Some(Address::Question(act.clone())));
            assert_eq!(Address::read(&act.deed()), Some(Address::Deed(act)));
        }
    }

    #[test]
    fn what_names_nothing_is_not_found() {
        for path in [
            "..",
            "../page.css",
            "services/../api.html",
            "services/shop.html",
            "services/shop/a%2fi.html",
            "services/shop/api/042.html",
            "services/shop/api/+1.html",
            "index-0.html",
            "index-.html",
            "stacks/<b>.html",
            "ask/approve/shop.html",
            "ask/delete/shop/api.html",
            "do/drift/shop/api",
            "do/rollback/shop",
            "page.css.html",
        ] {
            assert_eq!(Address::read(path), None, "{path}");
        }
    }
}
