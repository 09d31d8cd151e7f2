//! The pages as HTML. What stands in documents is escaped, whatever it is: nothing here is marked as safe.

use chrono::{DateTime, Utc};
use longshore_bottles::sync::SyncStatus;
use longshore_bottles::sync::record::Sync;
use longshore_report::words::{counted, for_terminal, number, second, short_name};
use maud::{DOCTYPE, Markup, html};

use super::address::{Act, Page, SCRIPT, STYLE, Verb};
use super::chart::{chart, class};
use super::view::{
    DeploymentPage, FirstStart, Logs, MirrorPage, News, Overview, Past, Question, Saying,
    ServicePage, ServiceRow, StackChange, StackPage, Step, Tone,
};
use crate::sync_words::{progress, status_in_words};

/// What every page has around what it shows.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What leads from the page to where the overview is: `../../`.
    pub root: String,
    /// Whether the page is served, so that it can be acted on and kept fresh. A static copy cannot.
    pub is_live: bool,
    /// When the documents of a static copy were read.
    pub copied_at: Option<DateTime<Utc>>,
    /// What came of what was done last.
    pub notice: Option<Saying>,
}

impl Frame {
    /// Of a page at this address, which is served.
    pub fn live(path: &str) -> Self {
        Self {
            root: root(path),
            is_live: true,
            copied_at: None,
            notice: None,
        }
    }

    /// Of a page of a static copy.
    pub fn copy(path: &str, at: DateTime<Utc>) -> Self {
        Self {
            root: root(path),
            is_live: false,
            copied_at: Some(at),
            notice: None,
        }
    }

    fn to(&self, page: &Page) -> String {
        format!("{}{}", self.root, page.path())
    }

    /// A whole page. `says` is what a screen reader says when it changes, `is_open` whether something goes on.
    fn page(&self, title: &str, says: &str, is_open: bool, content: &Markup) -> String {
        self.document(title, says, is_open, true, content)
    }

    fn document(
        &self,
        title: &str,
        says: &str,
        is_open: bool,
        is_kept_fresh: bool,
        content: &Markup,
    ) -> String {
        let is_kept_fresh = is_kept_fresh && self.is_live;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    @if !self.is_live {
                        meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'";
                    }
                    title { (title) " · Longshore" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(format!("{}{STYLE}", self.root));
                    @if self.is_live {
                        script defer src=(format!("{}{SCRIPT}", self.root)) {}
                    }
                }
                body data-live=[is_kept_fresh.then_some("true")] {
                    a.skip href="#content" { "Skip to the content" }
                    header {
                        strong { "Longshore" }
                        nav aria-label="Pages" {
                            a href=(self.to(&Page::Overview(1))) { "Services" }
                            a href=(self.to(&Page::Now)) { "What goes on" }
                        }
                    }
                    p.unseen #said role="status" aria-live="polite" {}
                    main #content data-says=(says) data-open=(is_open.to_string()) {
                        h1 { (title) }
                        @if let Some(notice) = &self.notice {
                            p.notice.(class(notice.tone)) role="status" { (notice.text) }
                        }
                        (content)
                    }
                    footer {
                        @if is_kept_fresh { p #fresh {} }
                        @if let Some(at) = self.copied_at { p { "A copy of " (time(at)) "." } }
                    }
                }
            }
        };
        // A note or a log may hold what turns a text around in a browser as well.
        for_terminal(&page.into_string())
    }
}

/// What leads from an address to where the overview is.
fn root(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

fn time(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (second(at)) } }
}

fn says(saying: &Saying) -> Markup {
    html! { span.says.(class(saying.tone)) { (saying.text) } }
}

fn service_rows(frame: &Frame, rows: &[ServiceRow], with_stack: bool) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Service" } th scope="col" { "Runs" } th scope="col" { "Since" }
                th scope="col" { "Last deployment" } th scope="col" { "Waits, held" }
            } }
            tbody {
                @for row in rows {
                    @let id = &row.service_id;
                    tr data-busy=[(row.state.tone == Tone::Busy).then_some("true")] {
                        td {
                            a id=(format!("s-{}-{}", id.stack, id.service)) href=(frame.to(&Page::Service(id.clone()))) {
                                @if with_stack { (id.stack) "/" }
                                (id.service)
                            }
                        }
                        td data-name="Runs" { (row.runs) }
                        td data-name="Since" { @if let Some(since) = row.since { (time(since)) } @else { "-" } }
                        td.long data-name="Last deployment" {
                            @if let Some(number) = row.number { "#" (number) " " }
                            (says(&row.state))
                        }
                        td.long data-name="Waits, held" {
                            @if row.notes.is_empty() { "-" }
                            @else { ul.plain { @for note in &row.notes { li { (says(note)) } } } }
                        }
                    }
                }
            }
        }
    }
}

fn change(change: &StackChange) -> Markup {
    html! {
        p data-busy=[change.is_open.then_some("true")] {
            "Last change: " (says(&change.state)) ", asked for by " (change.asked_by) " at " (time(change.requested_at))
            @if let Some(end) = change.finished_at { ", ended at " (time(end)) }
            "."
            @if let Some(failed) = &change.failed_resource { " First to fail: " (failed) }
        }
        @if !change.waiting.is_empty() {
            ul { @for waiting in &change.waiting { li { (says(&Saying::new(Tone::Waits, waiting.clone()))) } } }
        }
    }
}

fn news(frame: &Frame, news: &News) -> Markup {
    html! {
        @if news.stacks.is_empty() && news.services.is_empty() {
            p { "Nothing goes on, nothing waits, and nothing has failed." }
        }
        @for stack in &news.stacks {
            h3 { a href=(frame.to(&Page::Stack(stack.stack.clone()))) { "Stack " (stack.stack) } }
            (change(stack))
        }
        @if !news.services.is_empty() { (service_rows(frame, &news.services, true)) }
        @if news.more > 0 { p { "… and " (number(u64::try_from(news.more).unwrap_or(u64::MAX))) " more." } }
    }
}

/// What goes on, waits or has failed, of all stacks.
pub fn now_page(frame: &Frame, all: &News) -> String {
    let content = html! {
        section #news data-says=(all.summary()) {
            p { (all.summary()) "." }
            (news(frame, all))
        }
    };
    frame.page("What goes on", &all.summary(), all.is_open(), &content)
}

/// Services by stack.
pub fn overview(frame: &Frame, overview: &Overview) -> String {
    let Overview {
        groups,
        services,
        stacks,
        mirrors,
        sheet,
        sheets,
        filter,
        now,
        unnamed,
    } = overview;
    let is_open = now.as_ref().is_some_and(News::is_open);
    let content = html! {
        p { (counted(*services, "service")) " in " (counted(*stacks, "stack")) "." }
        @if frame.is_live {
            form role="search" action=(frame.to(&Page::Overview(1))) method="get" {
                label for="q" { "Find a stack or a service" }
                input #q type="search" name="q" value=[filter.as_deref()] placeholder="shop/api";
                " "
                button { "Find" }
            }
        }
        @if *unnamed > 0 {
            p { (says(&Saying::new(Tone::Bad, format!("{} whose names Longshore does not allow; see: longshore doctor",
                counted(*unnamed, "record"))))) }
        }
        section aria-labelledby="now" {
            h2 #now { "What goes on" }
            @match now {
                Some(now) => { p { (now.summary()) "." } (news(frame, now)) }
                None => {
                    div data-later=[frame.is_live.then(|| frame.to(&Page::Now))] {
                        p { a href=(frame.to(&Page::Now)) { "What goes on, waits or has failed in all stacks" } }
                    }
                }
            }
        }
        @if groups.is_empty() {
            @if let Some(filter) = filter { p { "No stack or service has " (filter) " in its name." } }
            @else { p { "There is no stack yet. Make one with: " code { "longshore apply <stack file>" } } }
        }
        @for group in groups {
            section {
                h2 { a id=(format!("stack-{}", group.stack)) href=(frame.to(&Page::Stack(group.stack.clone()))) { (group.stack) } }
                @if let Some(last) = &group.change { (change(last)) }
                @if !group.services.is_empty() { (service_rows(frame, &group.services, false)) }
            }
        }
        @if *sheets > 1 {
            nav aria-label="Sheets" {
                p {
                    "Sheet " (sheet) " of " (sheets) ". "
                    @if *sheet > 1 { a rel="prev" href=(sheet_address(frame, sheet - 1, filter.as_deref())) { "Previous" } " " }
                    @if sheet < sheets { a rel="next" href=(sheet_address(frame, sheet + 1, filter.as_deref())) { "Next" } }
                }
            }
        }
        @if !mirrors.is_empty() {
            section {
                h2 { "Mirrors of Homebrew's bottles" }
                ul { @for mirror in mirrors { li { a href=(frame.to(&Page::Mirror(mirror.clone()))) { (mirror) } } } }
            }
        }
    };
    let says = now.as_ref().map(News::summary).unwrap_or_default();
    frame.page("Services", &says, is_open, &content)
}

fn sheet_address(frame: &Frame, sheet: usize, filter: Option<&str>) -> String {
    let address = frame.to(&Page::Overview(sheet));
    match filter {
        None => address,
        Some(filter) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("{address}?{}", query.append_pair("q", filter).finish())
        }
    }
}

fn acts(frame: &Frame, acts: &[(&'static str, Act)]) -> Markup {
    html! {
        @if frame.is_live && !acts.is_empty() {
            p.acts {
                @for (name, act) in acts {
                    a.act id=(format!("act-{}", act.verb.name())) href=(format!("{}{}", frame.root, act.question())) {
                        (name) span.unseen { " " (act.subject()) } "…"
                    }
                }
            }
        }
    }
}

/// A service, with its history.
pub fn service(frame: &Frame, page: &ServicePage) -> String {
    let row = &page.row;
    let id = &row.service_id;
    let name = format!("{}/{}", id.stack, id.service);
    let spoken = format!("{name}: {}", row.state.text);
    let content = html! {
        p { "A service of stack " a href=(frame.to(&Page::Stack(id.stack.clone()))) { (id.stack) } "." }
        dl {
            dt { "Runs" }
            dd { (row.runs) @if let Some(since) = row.since { ", since " (time(since)) } }
            dt { "Last deployment" }
            dd {
                @if let Some(number) = row.number {
                    a #last href=(frame.to(&Page::Deployment(id.clone(), number))) { "#" (number) } " "
                }
                (says(&row.state))
            }
            @if let Some(progress) = &page.progress { dt { "ECS" } dd { (progress) } }
            dt { "Tasks" }
            dd { (says(&page.ecs)) }
            @if !row.notes.is_empty() {
                dt { "Waits, held" }
                dd { ul.plain { @for note in &row.notes { li { (says(note)) } } } }
            }
            @if !page.deaths.is_empty() {
                dt { "Tasks died" }
                dd {
                    ul.plain { @for death in &page.deaths { li { (says(&Saying::new(Tone::Bad, death.clone()))) } } }
                    @if let Some(number) = row.number {
                        a href=(format!("{}#logs", frame.to(&Page::Deployment(id.clone(), number)))) { "What they wrote" }
                    }
                }
            }
            @if !page.messages.is_empty() {
                dt { "ECS says" }
                dd { ul.plain { @for message in &page.messages { li { (message) } } } }
            }
        }
        (acts(frame, &page.acts))
        section aria-labelledby="history" {
            h2 #history { "History" }
            (chart(&page.history))
            (history(frame, page))
        }
    };
    frame.page(&name, &spoken, page.is_open, &content)
}

fn history(frame: &Frame, page: &ServicePage) -> Markup {
    let id = &page.row.service_id;
    let here = Page::Service(id.clone());
    html! {
        @if page.history.is_empty() { p { "Nothing was deployed yet." } }
        @else {
            table {
                caption { "Deployments, newest first" }
                thead { tr {
                    th scope="col" { "Number" } th scope="col" { "Outcome" } th scope="col" { "Image" }
                    th scope="col" { "Commit" } th scope="col" { "Asked for by" } th scope="col" { "Asked for" }
                    th scope="col" { "Took" }
                } }
                tbody { @for past in &page.history { (past_row(frame, page, past)) } }
            }
        }
        @if frame.is_live && (page.newer || page.older.is_some()) {
            nav aria-label="Older and newer deployments" {
                p {
                    @if page.newer { a href=(frame.to(&here)) { "Newest" } " " }
                    @if let Some(older) = page.older {
                        a rel="next" href=(format!("{}?before={older}", frame.to(&here))) { "Older" }
                    }
                }
            }
        }
    }
}

fn past_row(frame: &Frame, page: &ServicePage, past: &Past) -> Markup {
    let deployment = Page::Deployment(page.row.service_id.clone(), past.number);
    html! {
        tr {
            td { a id=(format!("d-{}", past.number)) href=(frame.to(&deployment)) { "#" (past.number) } }
            td.long data-name="Outcome" { (says(&past.state)) }
            td data-name="Image" { (past.image) }
            td data-name="Commit" { (past.commit.as_deref().unwrap_or("-")) }
            td.long data-name="Asked for by" { (past.asked_by) }
            td data-name="Asked for" { (time(past.requested_at)) }
            td data-name="Took" { (past.took()) }
        }
    }
}

/// A deployment: what has happened to it, and what its tasks wrote that died.
pub fn deployment(frame: &Frame, page: &DeploymentPage) -> String {
    let DeploymentPage {
        service_id: id,
        past,
        ..
    } = page;
    let name = format!("{}/{} #{}", id.stack, id.service, past.number);
    let spoken = format!("{name}: {}", past.state.text);
    let content = html! {
        p { "A deployment to " a href=(frame.to(&Page::Service(id.clone()))) { (id.stack) "/" (id.service) } "." }
        dl {
            dt { "Outcome" } dd { (says(&past.state)) }
            dt { "Image" } dd { (past.image) " (" (past.digest) ")" }
            dt { "Before it" } dd { (page.previous) }
            @if let Some(commit) = &past.commit { dt { "Commit" } dd { (commit) } }
            dt { "Asked for by" } dd { (past.asked_by) }
            @if let Some(task_definition) = &page.task_definition { dt { "Task definition" } dd { (task_definition) } }
            dt { "Took" } dd { (past.took()) }
        }
        @if let (true, Some(back)) = (frame.is_live, &page.back) {
            p.acts {
                a.act #act-rollback href=(format!("{}{}?to={}", frame.root, back.question(), past.number)) { "Go back to it…" }
            }
        }
        section aria-labelledby="timeline" {
            h2 #timeline { "What happened" }
            ol.timeline { @for step in &page.steps { (timeline_step(step)) } }
        }
        @if !page.deaths.is_empty() {
            section aria-labelledby="logs" {
                h2 #logs { "Tasks that died" }
                ul.plain { @for death in &page.deaths { li { (says(&Saying::new(Tone::Bad, death.clone()))) } } }
                (logs(&page.logs))
            }
        }
    };
    frame.page(&name, &spoken, page.is_open, &content)
}

fn timeline_step(step: &Step) -> Markup {
    html! { li { (time(step.at)) (says(&step.says)) } }
}

fn logs(logs: &Logs) -> Markup {
    html! {
        @for (number, log) in logs.of.iter().enumerate() {
            @let stream = &log.stream;
            h3 { "Container " (stream.container) " of task " (short_name(&stream.task)) }
            p { (stream.log_stream) " in " (stream.log_group) }
            @match &log.lines {
                None => { p { "There is no such stream: it wrote nothing, or its log is gone." } }
                Some(lines) if lines.is_empty() => { p { "It wrote nothing." } }
                Some(lines) => {
                    pre id=(format!("log-{number}")) tabindex="0" aria-label=(format!("The last lines of container {}", stream.container)) {
                        @for line in lines {
                            (line.at.format("%H:%M:%S%.3f")) "  " (line.message.trim_end()) "\n"
                        }
                    }
                }
            }
        }
        @if let Some(problem) = &logs.problem { p { (problem) } }
    }
}

/// A stack: its last change, its services, how it compares with its template.
pub fn stack(frame: &Frame, page: &StackPage) -> String {
    let StackPage {
        stack,
        change: last,
        first_starts,
        services,
        drift,
        has_mirror,
    } = page;
    let act = |verb| Act {
        verb,
        stack: stack.clone(),
        service: None,
    };
    let mut possible = Vec::new();
    if !services.is_empty() {
        possible.push(("Hold all services", act(Verb::Hold)));
        possible.push(("Resume all services", act(Verb::Resume)));
    }
    if last.is_some() {
        possible.push(("Compare with its template", act(Verb::Drift)));
    }
    let is_open = last.as_ref().is_some_and(|last| last.is_open)
        || services.iter().any(|row| row.state.tone == Tone::Busy);
    let spoken = last
        .as_ref()
        .map(|last| format!("stack {stack}: {}", last.state.text))
        .unwrap_or_default();
    let content = html! {
        @match last {
            Some(last) => (change(last)),
            None => { p { "No stack file has made it, or its record is gone." } }
        }
        @for first in first_starts { (first_start(first)) }
        (acts(frame, &possible))
        section aria-labelledby="drift" {
            h2 #drift { "Drift" }
            @match drift {
                None => { p { "It was not compared with its template since this page is served." } }
                Some(compared) => {
                    p { "Compared at " (time(compared.at)) ":" }
                    @match &compared.report {
                        Err(problem) => { p { (says(&Saying::new(Tone::Bad, problem.clone()))) } }
                        Ok(report) if report.drifted.is_empty() => {
                            p { (says(&Saying::new(Tone::Good, "it is as its template says"))) }
                        }
                        Ok(report) => {
                            ul { @for drift in &report.drifted {
                                li {
                                    (says(&Saying::new(Tone::Bad, format!("{} ({}){}", drift.logical_id, drift.resource_type,
                                        if drift.deleted { " is gone" } else { "" }))))
                                    @if !drift.properties.is_empty() {
                                        ul { @for property in &drift.properties {
                                            li { (property.path) ": " (property.actual) ", expected " (property.expected) }
                                        } }
                                    }
                                }
                            } }
                        }
                    }
                }
            }
        }
        @if !services.is_empty() {
            section { h2 { "Services" } (service_rows(frame, services, false)) }
        }
        @if *has_mirror {
            p { a href=(frame.to(&Page::Mirror(stack.clone()))) { "Its mirror of Homebrew's bottles" } }
        }
    };
    frame.page(&format!("Stack {stack}"), &spoken, is_open, &content)
}

fn first_start(first: &FirstStart) -> Markup {
    html! {
        section {
            h2 { "Tasks of " (first.service) " died of the change" }
            ul.plain { @for death in &first.deaths { li { (says(&Saying::new(Tone::Bad, death.clone()))) } } }
            (logs(&first.logs))
        }
    }
}

/// A mirror, with the progress of its sync.
pub fn mirror(frame: &Frame, page: &MirrorPage) -> String {
    let stack = &page.stack;
    let (spoken, content) = match &page.status {
        Err(problem) => (
            problem.clone(),
            html! { p { (says(&Saying::new(Tone::Bad, problem.clone()))) } },
        ),
        Ok(status) => {
            let sync = status.sync.as_ref();
            let open = sync.filter(|sync| sync.state.is_open());
            let spoken = open.map_or_else(String::new, |sync| progress(status, sync));
            let content = html! {
                p { "A mirror of stack " a href=(frame.to(&Page::Stack(stack.clone()))) { (stack) } " in bucket " (status.bucket) "." }
                @if let Some(sync) = open { (sync_progress(status, sync)) }
                pre tabindex="0" aria-label="How the last sync went" { (status_in_words(status).trim_end()) }
            };
            (spoken, content)
        }
    };
    frame.page(
        &format!("Mirror {stack}"),
        &spoken,
        page.is_open(),
        &content,
    )
}

fn sync_progress(status: &SyncStatus, sync: &Sync) -> Markup {
    html! {
        p {
            label for="all" { (progress(status, sync)) }
            progress #all max=(sync.total.bytes.max(1)) value=(status.done.bytes) {}
        }
        @for shard in &status.shards {
            p {
                label for=(format!("shard-{}", shard.shard)) {
                    "Shard " (shard.shard) ": " (number(shard.done.files)) " of " (counted(shard.files, "file"))
                    @if shard.is_done { ", ended" }
                    @if let Some(problem) = &shard.problem { ": " (problem) }
                }
                progress id=(format!("shard-{}", shard.shard)) max=(shard.bytes.max(1)) value=(shard.done.bytes) {}
            }
        }
    }
}

/// Asks before something is done.
pub fn question(frame: &Frame, question: &Question) -> String {
    let Question { act, would, fixed } = question;
    let subject = act.subject();
    let (title, does) = match act.verb {
        Verb::Approve => (format!("Approve {subject}?"), "Approve"),
        Verb::Hold => (format!("Hold {subject}?"), "Hold"),
        Verb::Resume => (format!("Resume {subject}?"), "Resume"),
        Verb::RollBack => (format!("Roll {subject} back?"), "Roll back"),
        Verb::Drift => (format!("Compare {subject} with its template?"), "Compare"),
    };
    let back = frame.to(&act.page());
    let content = html! {
        @match would {
            Err(problem) => {
                p.would.bad { (problem) }
                p.acts { a.act href=(back) { "Back" } }
            }
            Ok(would) => {
                p.would { (would) }
                form method="post" action=(format!("{}{}", frame.root, act.deed())) {
                    @for (name, value) in fixed { input type="hidden" name=(name) value=(value); }
                    @if act.verb == Verb::Hold {
                        label {
                            "Until when (2h, 18:00, tomorrow 9:00); empty: until somebody resumes" br;
                            input name="until" autocomplete="off" maxlength="64";
                        }
                    }
                    @if matches!(act.verb, Verb::Hold | Verb::RollBack) {
                        label { "Why; shown in Slack" br; input name="note" autocomplete="off" maxlength="500"; }
                    }
                    p.acts {
                        button.does #does { (does) " " (subject) }
                        a.act href=(back) { "Leave it" }
                    }
                }
            }
        }
    };
    frame.document(&title, "", false, false, &content)
}

/// What is said where there is no page.
pub fn trouble(frame: &Frame, title: &str, text: &str) -> String {
    let content = html! { p { (text) } };
    frame.document(title, "", false, false, &content)
}
