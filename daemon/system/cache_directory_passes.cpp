// The store's way to its folder: whatever is wanted goes into the next pass, one pass runs at a time.
// What came up meanwhile is another wish for the same file, so nothing old is brought back.
#include <algorithm>
#include <cstring>

#include "system/cache_directory.hpp"
#include "system/cache_folder.hpp"

namespace bleconnd {
namespace {

// fsync on a bad card takes some seconds a file; a folder of 16,384 files is listed in less.
constexpr std::chrono::seconds kPassTime{60};
constexpr std::chrono::seconds kPassTimePerFile{5};
// A child costs more than a file does, and where many devices connect at once a pass has all of them.
constexpr std::chrono::milliseconds kGather{200};

}  // namespace

Task<Unit> CacheDirectory::write_behind() {
  for (;;) {
    while (!has_work()) co_await work_.until(kNever, unstoppable());
    const auto gathered = loop_.now() + kGather;
    while (!is_waited_for() && loop_.now() < gathered) co_await work_.until(gathered, unstoppable());
    const auto pass = next_pass();
    const auto files = static_cast<int>(pass.job->wishes.size());
    const Duration limit = kPassTime + files * kPassTimePerFile;
    // Not stoppable: the pass is over only when its child cannot touch a file any more.
    Child child{loop_, work_of(pass), limit, unstoppable()};
    const auto end = co_await child;
    finish(pass, end);
  }
}

bool CacheDirectory::has_work() const {
  const auto waits = [](const auto& each) { return each.second.state == Held::State::waiting; };
  return clear_ || std::any_of(held_.begin(), held_.end(), waits);
}

// Somebody waits for the next pass: the end of the daemon, or who wants files removed.
bool CacheDirectory::is_waited_for() const {
  return settling_ || clear_ || passes_wanted_ > passes_started_;
}

// Also what failed before: where one file can be written again, the others can.
CacheDirectory::Pass CacheDirectory::next_pass() {
  Pass pass;
  auto& job = *pass.job;
  job.folder = folder_;
  job.limits = limits_;
  if (clear_) {
    job.remove_all = true;
    job.counted = std::move(clear_->counted);
    job.uncounted = std::move(clear_->uncounted);
    pass.removed = clear_->removed;
    clear_.reset();
  }
  for (auto& [device, held] : held_) {
    held.state = Held::State::writing;
    job.wishes.push_back({cache_file_name(device), held.set_aside, held.text});
    pass.words.emplace_back(device, held.word);
  }
  needs_room(job);
  ++passes_started_;
  return pass;
}

Child::Work CacheDirectory::work_of(const Pass& pass) const {
  return [job = std::shared_ptr<const CacheJob>{pass.job}, calls = calls_] {
    return carry_out(*job, *calls).text();
  };
}

// Each file counts as a new one, so a survey comes too early rather than too late.
void CacheDirectory::needs_room(CacheJob& job) {
  for (const auto& wish : job.wishes) {
    if (wish.set_aside) job.survey = true;  // not too many of those either
    if (!wish.text || !room_) continue;
    --room_->entries;
    room_->bytes -= static_cast<std::int64_t>(wish.text->size());
  }
  if (!room_ || room_->entries < 0 || room_->bytes < 0) job.survey = true;
}

void CacheDirectory::finish(const Pass& pass, const ChildEnd& end) {
  auto report = end.ok() ? CacheReport::parse(end.output, pass.words.size()) : std::nullopt;
  std::string trouble;
  if (!report) {
    trouble = "the writer " + (end.ok() ? "said nothing" : end.why());
    report = CacheReport{std::vector<int>(pass.words.size(), EIO), pass.removed ? EIO : 0, 0, {}};
  }
  const int error = take_results(pass, *report);
  if (trouble.empty() && error != 0) trouble = std::strerror(error);
  if (report->room) room_ = report->room;
  ++passes_ended_;
  say(trouble);
  ended_.notify();
}

// 0 or the errno of one that failed.
int CacheDirectory::take_results(const Pass& pass, const CacheReport& report) {
  int error = 0;
  for (std::size_t i = 0; i < pass.words.size(); ++i) {
    const auto& [device, word] = pass.words[i];
    if (report.errors[i] != 0) error = report.errors[i];
    const auto at = held_.find(device);
    if (at == held_.end() || at->second.word != word) continue;  // something else is wanted by now
    if (report.errors[i] == 0)
      held_.erase(at);
    else
      at->second.state = Held::State::failed;
  }
  if (pass.removed) {
    *pass.removed = report.removed;
    void_before_ = report.remove_all_error == 0 ? 0 : wall_clock_ns();
    if (report.remove_all_error != 0) error = report.remove_all_error;
  }
  keep_bounds();
  return error;
}

void CacheDirectory::say(const std::string& trouble) {
  const bool was_failing = std::exchange(failing_, !trouble.empty());
  if (failing_ && !was_failing)
    log_.write(LogLevel::warning,
               "cannot write to " + folder_ + ": " + trouble + "; new services are kept in memory",
               {.kind = LogKind::cache_unwritable});
  if (!failing_ && was_failing) log_.write(LogLevel::notice, "services are written to " + folder_ + " again");
}

}  // namespace bleconnd
