//! What people ask of the engine, as far as they reach.

use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{Action, Window};

use super::App;
use crate::command::{Answer, Command, CommandError};
use crate::reach::Reach;

/// What a command is about.
enum About {
    Device(DeviceId),
    Incidents(Vec<IncidentId>),
    Window(Box<Window>),
    WindowOf(u64),
    Elsewhere,
}

fn about(command: &Command) -> About {
    match command {
        Command::Remark { device, .. } => About::Device(device.clone()),
        Command::Open { manual, .. } => manual.device.clone().map_or(About::Elsewhere, About::Device),
        // Joining touches two.
        Command::Act { incident, action: Action::Merge { into }, .. } => {
            About::Incidents(vec![*incident, IncidentId(*into)])
        }
        Command::Act { incident, .. } | Command::Attach { incident, .. } => About::Incidents(vec![*incident]),
        Command::PlanWindow { window, .. } => About::Window(Box::new(window.clone())),
        Command::EndWindow { id, .. } => About::WindowOf(*id),
        // Duty is of the whole centre; what is one's own is one's own; all else needs a right that nobody with limits has.
        _ => About::Elsewhere,
    }
}

/// Whether a window touches nothing that is out of reach: it names its devices, or its places.
fn is_within(window: &Window, reach: &Reach, sees: impl Fn(&DeviceId) -> bool) -> bool {
    let scope = &window.scope;
    let sees = |id: &String| DeviceId::new(id).is_ok_and(|id| sees(&id));
    // A window is for what stands in all of its lists: one that is within reach is enough.
    let by_devices = !scope.devices.is_empty() && scope.devices.iter().all(sees);
    let by_places = !scope.places.is_empty() && scope.places.iter().all(|place| reach.holds(place));
    !window.freeze && (by_devices || by_places)
}

impl App {
    /// Has carried out what a person asks for; what is out of their reach is not there for them.
    pub(super) async fn carry_out(&self, reach: &Reach, command: Command) -> Result<Answer, CommandError> {
        if !reach.is_everywhere() {
            let (about, asked) = (about(&command), reach.clone());
            let allowed = self.read(reach, move |reader| {
                let sees = |id: &DeviceId| reader.device(id).is_ok_and(|found| found.is_some());
                Ok(match about {
                    About::Device(id) => sees(&id),
                    About::Incidents(all) => {
                        let seen = all.into_iter().map(|id| reader.incident(id).map(|found| found.is_some()));
                        seen.collect::<Result<Vec<bool>, _>>()?.into_iter().all(|seen| seen)
                    }
                    About::Window(window) => is_within(&window, &asked, sees),
                    About::WindowOf(id) => {
                        let found = reader.windows()?.into_iter().find(|window| window.id == id);
                        found.is_some_and(|window| is_within(&window, &asked, sees))
                    }
                    About::Elsewhere => true,
                })
            });
            let allowed = allowed.await.map_err(|problem| CommandError::Unavailable(problem.detail().to_owned()))?;
            if !allowed {
                let places = reach.places().join("; ");
                return Err(CommandError::NotFound(format!("it is not within the places of your account: {places}")));
            }
        }
        self.engine.command(command).await
    }
}
