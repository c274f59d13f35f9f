//! Reachability of configured endpoints (article 5.1a): TCP, HTTPS with the certificate's end, DNS, ICMP.

use ioc_common::clock;
use ioc_common::reading::{Endpoint, Endpoints, Findings};
use ioc_common::settings::{EndpointKind, EndpointSetting};

use super::certificates::validity;
use crate::HostAccess;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Endpoints::PROBE,
    deadline_s: 50,
    watch: &[],
    privileged: false,
    needs: Some("[[endpoint]] in the configuration; net.ipv4.ping_group_range for ICMP"),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::NONE,
    processes: &[],
    card: Card {
        article: "5.1a",
        vi: "Điểm kết nối bên ngoài",
        en: "Reachability of endpoints",
        reads: "TCP, HTTPS with the certificate's end, DNS, ICMP to each `[[endpoint]]`",
        cost: "1 ms an endpoint",
    },
    read: survey,
};

/// Makes the survey. Endpoints are asked side by side, so that one that is dead does not delay the others.
///
/// # Errors
/// *Absent* when none is configured.
pub(crate) fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    if context.settings.endpoints.is_empty() {
        return Err(absent(&"no [[endpoint]] is configured"));
    }
    if !context.is_live() {
        return Err(absent(&"a captured machine reaches nothing"));
    }
    let mut endpoints = Vec::new();
    // Eight at a time bound threads and sockets.
    for chunk in context.settings.endpoints.chunks(8) {
        let asked = std::thread::scope(|scope| {
            let asking: Vec<_> = chunk.iter().map(|setting| scope.spawn(|| ask(context.host, setting))).collect();
            asking.into_iter().filter_map(|one| one.join().ok()).collect::<Vec<_>>()
        });
        endpoints.extend(asked);
    }
    SurveyFindings::of(&Endpoints { endpoints }, context.now)
}

fn ask(host: &dyn HostAccess, setting: &EndpointSetting) -> Endpoint {
    let kind = match setting.kind {
        EndpointKind::Tcp => "tcp",
        EndpointKind::Https => "https",
        EndpointKind::Dns => "dns",
        EndpointKind::Icmp => "icmp",
    };
    let mut endpoint =
        Endpoint { name: setting.name.clone(), target: format!("{kind} {}", setting.address), ..Endpoint::default() };
    let started_us = clock::boottime_us();
    let result = match setting.kind {
        EndpointKind::Tcp => host.tcp(&setting.address),
        EndpointKind::Https => {
            let path = if setting.ask.is_empty() { "/" } else { setting.ask.as_str() };
            host.https(&setting.address, path).and_then(|head| {
                endpoint.status = head.status;
                endpoint.certificate_until = validity(&head.certificate).map(|found| found.until);
                match head.status {
                    Some(status) if status < 500 => Ok(()),
                    Some(status) => Err(format!("HTTP status {status}")),
                    None => Err("the answer is not HTTP".to_owned()),
                }
            })
        }
        EndpointKind::Dns => {
            let server = match setting.address.parse::<std::net::Ipv6Addr>() {
                Ok(v6) => format!("[{v6}]:53"),
                Err(_) if setting.address.contains(':') => setting.address.clone(),
                Err(_) => format!("{}:53", setting.address),
            };
            host.dns(&server, if setting.ask.is_empty() { "." } else { &setting.ask })
        }
        EndpointKind::Icmp => host.icmp(&setting.address),
    };
    match result {
        Ok(()) => {
            endpoint.up = true;
            endpoint.took_ms = Some(clock::boottime_us().saturating_sub(started_us) as f64 / 1000.0);
        }
        Err(why) => endpoint.error = why,
    }
    endpoint
}
