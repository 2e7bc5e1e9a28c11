//! Child processes that live as long as this one: started, watched, started again when they die, ended with it.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::command::{command, find};

/// From asking a child to end to ending it.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// A child that dies this soon after its start did not work at all.
const USELESS_LIFE: Duration = Duration::from_secs(2);
/// So many useless lives one after the other, and nobody tries another.
const USELESS_LIVES_LIMIT: u32 = 5;
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What a program is started with, again and again.
#[derive(Debug)]
pub(crate) struct Service {
    /// What messages call it.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// The running services, in the order of their start.
#[derive(Debug)]
pub(crate) struct Supervisor {
    running: Vec<Running>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

#[derive(Debug)]
struct Running {
    service: Service,
    child: Child,
    started: Instant,
    useless_lives: u32,
}

#[derive(Debug)]
enum Event {
    /// Ctrl-C, a closed terminal or SIGTERM.
    EndRequested,
    Line {
        process: u32,
        text: String,
    },
    /// Its standard output is closed: it has ended, or is about to.
    Ended {
        process: u32,
    },
}

impl Supervisor {
    /// From here on Ctrl-C and SIGTERM end [`Supervisor::watch`] and not this process.
    pub(crate) fn new() -> Result<Self> {
        let (sender, events) = mpsc::channel();
        let mut signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot watch for signals")?;
        let requests = sender.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                // Fails when nobody watches any more: then the end is under way.
                let _ = requests.send(Event::EndRequested);
            }
        });
        Ok(Self { running: Vec::new(), events, sender })
    }

    /// Starts a service and gives the first line that it prints: `None` if the end was requested before.
    pub(crate) fn start(&mut self, service: Service, limit: Duration) -> Result<Option<String>> {
        let name = service.name;
        let child = spawn(&service, &self.sender)?;
        let process = child.id();
        self.running.push(Running { service, child, started: Instant::now(), useless_lives: 0 });

        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::EndRequested) => return Ok(None),
                Ok(Event::Line { process: from, text }) if from == process => {
                    return Ok(Some(text));
                }
                Ok(Event::Line { .. }) => {}
                Ok(Event::Ended { process: ended }) if ended == process => {
                    let status =
                        self.running.pop().map(|mut last| last.child.wait()).transpose()?;
                    bail!("the {name} ended before it was up: {}", said(status));
                }
                Ok(Event::Ended { process: ended }) => self.restart(ended)?,
                Err(RecvTimeoutError::Timeout) => bail!("the {name} is not up after {limit:?}"),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Changes what a service is started with the next time.
    pub(crate) fn set_arguments(&mut self, name: &str, arguments: Vec<String>) {
        for running in &mut self.running {
            if running.service.name == name {
                running.service.arguments.clone_from(&arguments);
            }
        }
    }

    /// Keeps everything running until Ctrl-C or SIGTERM.
    pub(crate) fn watch(&mut self) -> Result<()> {
        loop {
            match self.events.recv() {
                Ok(Event::EndRequested) | Err(mpsc::RecvError) => return Ok(()),
                Ok(Event::Line { .. }) => {}
                Ok(Event::Ended { process }) => self.restart(process)?,
            }
        }
    }

    fn restart(&mut self, process: u32) -> Result<()> {
        let Some(running) = self.running.iter_mut().find(|it| it.child.id() == process) else {
            return Ok(());
        };
        let name = running.service.name;
        let status = running.child.wait()?;
        let useless = running.started.elapsed() < USELESS_LIFE;
        running.useless_lives = if useless { running.useless_lives + 1 } else { 0 };
        if running.useless_lives >= USELESS_LIVES_LIMIT {
            bail!("the {name} keeps ending: {}", said(Some(status)));
        }
        eprintln!("demo: the {name} ended ({}), starting it again", said(Some(status)));
        running.child = spawn(&running.service, &self.sender)?;
        running.started = Instant::now();
        Ok(())
    }
}

/// The last started ends first, as it uses those before it.
impl Drop for Supervisor {
    fn drop(&mut self) {
        while let Some(mut last) = self.running.pop() {
            end(&mut last.child);
        }
    }
}

fn spawn(service: &Service, events: &Sender<Event>) -> Result<Child> {
    let mut command = dying_with_us(service);
    // Ctrl-C in a terminal goes to its whole foreground group: outside it, a service ends when its turn comes.
    command.args(&service.arguments).stdout(Stdio::piped()).process_group(0);
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", service.program.display()))?;
    eprintln!("demo: the {} is process {}", service.name, child.id());
    if let Some(output) = child.stdout.take() {
        forward(child.id(), output, events.clone());
    }
    Ok(child)
}

/// Linux can tell a child of its parent's death, however sudden. The call for it cannot be made
/// between fork and exec without unsafe code: util-linux has a program that makes it and goes on
/// as the service. The signal comes when the *thread* ends that started it, here the main one.
fn dying_with_us(service: &Service) -> Command {
    let Some(setpriv) = find("setpriv").filter(|_| cfg!(target_os = "linux")) else {
        return command(&service.program, &[]);
    };
    let mut command = command(setpriv, &["--pdeathsig", "TERM", "--"]);
    command.arg(&service.program);
    command
}

fn forward(process: u32, output: ChildStdout, events: Sender<Event>) {
    thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            if events.send(Event::Line { process, text }).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Ended { process });
    });
}

fn end(child: &mut Child) {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + END_TIMEOUT;
    while Instant::now() < deadline {
        // An error here means that there is no such child to wait for.
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(POLL_INTERVAL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn said(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "no status".to_owned(), |status| status.to_string())
}
