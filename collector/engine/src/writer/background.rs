//! What the collector does by itself, beside the engine, and cannot do: a fault of the collector until it can.

use ioc_common::clock::Timestamp;
use ioc_judge::{Input, Severity, Text};

use super::store_faults::Bilingual;
use super::{CommandResult, Engine};
use crate::command::{Answer, BackgroundTask};

/// What is said of a task that fails.
struct Words {
    /// The name of the fault; it stands in the store.
    key: &'static str,
    severity: Severity,
    title: Bilingual,
    advice: Bilingual,
    /// Before the reason.
    fails: Bilingual,
    /// Once it works again.
    works: Bilingual,
}

#[allow(clippy::too_many_lines, reason = "one list of texts")]
const fn words_of(task: BackgroundTask) -> Words {
    match task {
        BackgroundTask::Compaction => Words {
            key: "history-not-folded",
            severity: Severity::Critical,
            title: ("Số liệu không được gộp vào lịch sử", "History is not folded"),
            advice: (
                "Không có gì mất, nhưng kho lớn dần và biểu đồ chậm dần cho đến khi đầy đĩa. Xem nhật ký của dịch vụ, chỗ trống và quyền của tệp history.db, rồi chạy «ioc-collector store check».",
                "Nothing is lost, but the store grows and charts become slow until the disk is full. See the service's log, the room on the disk and the owner \
                 of history.db, then run 'ioc-collector store check'.",
            ),
            fails: ("Nhiều giờ nay số liệu không gộp được vào lịch sử", "History has not been folded for hours"),
            works: ("Số liệu lại được gộp vào lịch sử.", "History is folded again."),
        },
        BackgroundTask::RemoteWrite => Words {
            key: "remote-write-failing",
            severity: Severity::Warning,
            title: ("Không chuyển tiếp được số liệu", "Reports are not handed on"),
            advice: (
                "Xem máy nhận có chạy không, địa chỉ và mã trong «[remote_write]» còn đúng không. Số liệu chờ cho đến khi được gộp vào lịch sử; sau đó máy nhận mất phần đó.",
                "See whether the receiver runs, and whether address and token in [remote_write] are still right. Reports wait until they are folded into history; \
                 from then on the receiver misses them.",
            ),
            fails: (
                "Nhiều giờ nay không chuyển tiếp được số liệu (remote write)",
                "Nothing has been handed on by remote write for hours",
            ),
            works: ("Số liệu lại được chuyển tiếp.", "Reports are handed on again."),
        },
        BackgroundTask::Certificates => Words {
            key: "certificates-not-renewed",
            severity: Severity::Critical,
            title: ("Không gia hạn được chứng thư số của máy thu thập", "The collector's certificates are not renewed"),
            advice: (
                "Khi chứng thư số hết hạn, các máy và trang web không kết nối được nữa. Xem quyền và chỗ trống của thư mục «pki» trong thư mục dữ liệu, và các tệp chứng thư số ghi trong cấu hình.",
                "Once they end, neither machines nor browsers connect any more. See owner and room of the directory pki in the data directory, and the files of certificates \
                 that the configuration names.",
            ),
            fails: (
                "Chứng thư số của máy thu thập không gia hạn hoặc không đọc được",
                "The collector's certificates cannot be renewed or read",
            ),
            works: ("Chứng thư số lại được gia hạn.", "Certificates are renewed again."),
        },
        BackgroundTask::SignedHeads => Words {
            key: "audit-heads-not-signed",
            severity: Severity::Warning,
            title: ("Nhật ký kiểm toán không được ký", "The audit log is not signed"),
            advice: (
                "Nhật ký vẫn được ghi, nhưng nếu phần cuối bị cắt thì không chứng minh được. Xem quyền và chỗ trống của thư mục «pki» trong thư mục dữ liệu (records.key.pem, records.pem).",
                "The log goes on, but that its end was cut could not be proven. See owner and room of the directory pki in the data directory (records.key.pem, records.pem).",
            ),
            fails: (
                "Hơn một giờ nay không ký được nhật ký kiểm toán",
                "No head of the audit log has been signed for an hour",
            ),
            works: ("Nhật ký kiểm toán lại được ký.", "The audit log is signed again."),
        },
        BackgroundTask::Configuration => Words {
            key: "configuration-faulty",
            severity: Severity::Warning,
            title: ("Cấu hình mới bị lỗi và chưa được dùng", "The changed configuration is faulty and not in use"),
            advice: (
                "Cấu hình cũ vẫn chạy, nhưng máy thu thập sẽ không khởi động lại được với cấu hình này. Chạy «ioc-collector check-config», sửa chỗ được nêu, rồi «systemctl reload ioc-collector».",
                "The old one stays in use, but the collector does not start with this one. Run 'ioc-collector check-config', mend the place that it names, then \
                 'systemctl reload ioc-collector'.",
            ),
            fails: ("Không dùng được cấu hình vừa sửa", "The changed configuration was not taken"),
            works: ("Cấu hình đã được nhận.", "The configuration was taken."),
        },
        BackgroundTask::Backup => Words {
            key: "backup-failing",
            severity: Severity::Critical,
            title: ("Trung tâm không được sao lưu (điều 7.1)", "The collector is not backed up (article 7.1)"),
            advice: (
                "Bản sao lưu tốt gần nhất vẫn còn nguyên. Xem chỗ trống, quyền của thư mục «[backup] directory» và lý do ở trên, sửa, rồi chạy «ioc-collector backup now» (docs/vi/backup.md).",
                "The last good backup is untouched. See the room and the owner of [backup] directory, and the reason above; mend it, then run 'ioc-collector backup now' (docs/backup.md).",
            ),
            fails: ("Không sao lưu được máy thu thập", "The collector could not be backed up"),
            works: ("Máy thu thập lại được sao lưu.", "The collector is backed up again."),
        },
        BackgroundTask::RestoreDrill => Words {
            key: "restore-drill-failing",
            severity: Severity::Critical,
            title: ("Diễn tập phục hồi không đạt (điều 7.2)", "The restore drill failed (article 7.2)"),
            advice: (
                "Bản sao lưu mới nhất không phục hồi được như cũ. Chạy «ioc-collector backup check TỆP» với nó và bản trước đó, \
                 sao lưu lại, rồi «ioc-collector backup drill». Không xoá bản nào cho đến khi có bản đạt (docs/vi/backup.md).",
                "The newest backup cannot be restored as it was. Run 'ioc-collector backup check ARCHIVE' on it and on the one before, \
                 make another, then 'ioc-collector backup drill'. Delete none until one has passed (docs/backup.md).",
            ),
            fails: ("Phục hồi thử không đạt", "The trial restore failed"),
            works: ("Phục hồi thử đã đạt.", "The trial restore succeeded."),
        },
        BackgroundTask::Retention => Words {
            key: "retention-failing",
            severity: Severity::Warning,
            title: (
                "Hồ sơ hết hạn lưu không xoá được (điều 6.3)",
                "Records past their time are not deleted (article 6.3)",
            ),
            advice: (
                "Không có gì mất: hồ sơ vẫn còn. Xem chỗ trống và quyền của thư mục «export_to» trong retention.toml và lý do ở trên (docs/vi/records.md).",
                "Nothing is lost: the records are still there. See the room and the owner of export_to in retention.toml, and the reason above (docs/records.md).",
            ),
            fails: ("Không xoá được hồ sơ hết hạn lưu", "Records that are past their time could not be deleted"),
            works: ("Hồ sơ hết hạn lưu lại được xoá.", "Records past their time are deleted again."),
        },
        BackgroundTask::SearchIndex => Words {
            key: "search-index-failing",
            severity: Severity::Warning,
            title: ("Chỉ mục tra cứu không được cập nhật", "The search index is not kept"),
            advice: (
                "Không mất gì: chỉ mục làm lại được từ kho, nhưng trang Tra cứu chỉ tìm phần mới nhất của những gì chưa có trong chỉ mục. \
                 Xem chỗ trống và quyền của các tệp search.db trong thư mục dữ liệu; có thể dừng dịch vụ và xoá các tệp đó.",
                "Nothing is lost, since it is made of the store; but the page Search looks only through the newest of what is not in it. See the room on \
                 the disk and the owner of the files search.db in the data directory; while the service is stopped they may be deleted.",
            ),
            fails: (
                "Nhiều giờ nay không cập nhật được chỉ mục tra cứu",
                "The search index has not been kept for hours",
            ),
            works: ("Chỉ mục tra cứu lại được cập nhật.", "The search index is kept again."),
        },
        BackgroundTask::TimeStamps => Words {
            key: "audit-not-stamped",
            severity: Severity::Warning,
            title: ("Nhật ký kiểm toán không được đóng dấu thời gian", "The audit log is not time-stamped"),
            advice: (
                "Nhật ký vẫn được ghi và ký, chỉ thiếu xác nhận của bên ngoài về thời gian (điều 6.3). Xem đồng hồ của máy này có đúng không, địa chỉ và tệp «authority_file» trong \
                 «[timestamp]» còn đúng không, chứng thư số của tổ chức cấp dấu thời gian còn hạn không, và chương trình openssl đã được cài chưa.",
                "The log goes on and is signed; only nobody outside vouches for its time (article 6.3). See whether this machine's clock is right, whether address and authority_file in \
                 [timestamp] are, whether the authority's certificate has ended, and whether the program openssl is installed.",
            ),
            fails: (
                "Tổ chức cấp dấu thời gian không trả lời hoặc trả lời sai",
                "The time stamping authority does not answer, or answers wrong",
            ),
            works: ("Nhật ký kiểm toán lại được đóng dấu thời gian.", "The audit log is time-stamped again."),
        },
        BackgroundTask::Broker => Words {
            key: "broker-away",
            severity: Severity::Critical,
            title: (
                "Không kết nối được với máy chủ trung chuyển MQTT (broker)",
                "The broker through which devices report cannot be reached",
            ),
            advice: (
                "Thiết bị đi qua broker hiện không được theo dõi; agent giữ báo cáo lại và gửi sau, không mất gì. Xem lý do ở trên: broker có chạy không, đường mạng và \
                 tường lửa, «addresses» trong «[ingest.broker]», chứng thư số hai phía còn hạn không. Kiểm tra bằng: ioc-collector doctor.",
                "Devices behind the broker are not watched now; their agents keep what they have and send it later, and nothing is lost. See the reason above: whether the broker \
                 runs, network and firewall, addresses in [ingest.broker], whether the certificates of both sides have ended. Check with: ioc-collector doctor.",
            ),
            fails: ("Mất kết nối với broker, hoặc bị broker từ chối", "The broker is away, or refuses the collector"),
            works: ("Broker lại được kết nối.", "The broker is connected again."),
        },
        BackgroundTask::SoftwareRegister => Words {
            key: "software-register-failing",
            severity: Severity::Warning,
            title: ("Danh mục phần mềm không được cập nhật", "The software register is not kept"),
            advice: (
                "Không mất gì: danh sách gói của từng máy vẫn còn, nhưng danh mục phần mềm không có gì mới, và phần mềm không được phép không bị phát hiện. \
                 Xem lý do ở trên và nhật ký của dịch vụ.",
                "Nothing is lost, since the packages of each machine are kept; but the software register has nothing new, and software that is not allowed is \
                 not found. See the reason above and the service's log.",
            ),
            fails: (
                "Nhiều giờ nay không nhóm được gói phần mềm vào danh mục",
                "Packages have not been grouped into the software register for hours",
            ),
            works: ("Danh mục phần mềm lại được cập nhật.", "The software register is kept again."),
        },
    }
}

impl Engine {
    /// A task fails, for this reason, or does not any more.
    pub(super) fn record_background_task(
        &mut self,
        task: BackgroundTask,
        failing: Option<&str>,
        now: Timestamp,
    ) -> CommandResult {
        let Words { key, severity, title, advice, fails, works } = words_of(task);
        if let Some(why) = failing {
            let why = Text::new(format!("{}: {why}", fails.0), format!("{}: {why}", fails.1));
            self.raise_self_fault_of(severity, key, (title, advice), why, now);
        } else if self.state.has_self_fault(key) {
            let why = Text::new(works.0, works.1);
            self.decide(Input::SelfFault { key, incident: None, why }, now)?;
        }
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::tests::{Machine, Rig};
    use super::*;
    use crate::command::Command;

    #[test]
    fn a_task_that_fails_is_a_fault_until_it_works() {
        for task in [
            BackgroundTask::Compaction,
            BackgroundTask::RemoteWrite,
            BackgroundTask::Certificates,
            BackgroundTask::Configuration,
            BackgroundTask::SignedHeads,
            BackgroundTask::Backup,
            BackgroundTask::RestoreDrill,
            BackgroundTask::Retention,
            BackgroundTask::SearchIndex,
            BackgroundTask::SoftwareRegister,
            BackgroundTask::TimeStamps,
            BackgroundTask::Broker,
        ] {
            let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
            let mut rig = Rig::open(dir.path(), &machine);
            let mut report = |failing: Option<&str>| {
                rig.command(Command::BackgroundTask { task, failing: failing.map(str::to_owned) }).expect("kept");
                let told = rig.notices().iter().filter(|one| one.notice.contains(": page 7")).count();
                (told, rig.engine.state.has_self_fault(words_of(task).key))
            };
            assert_eq!(report(None), (0, false), "nothing is to be said of what is well");
            assert_eq!(report(Some("page 7")), (1, true), "{task:?}");
            assert_eq!(report(Some("page 7")), (1, true), "once");
            assert!(!report(None).1);
            assert!(report(Some("page 7")).1, "and again");
        }
    }
}
