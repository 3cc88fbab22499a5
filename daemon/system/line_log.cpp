// Appending writes one line at a time, so what a crash cuts off is the last one, which is then no whole line.
// No fsync: appending guards against our own end, and the kernel writes what it has.
#include "system/line_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "system/cache_pass.hpp"
#include "system/descriptor.hpp"
#include "system/journal.hpp"

namespace bleconnd {
namespace {

constexpr char kFormer[] = ".old";  // behind the name

// 0 or an errno.
int write_whole(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int contents(const std::string& name, std::size_t most, std::string& text) {
  const Descriptor file{open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (file.get() < 0) return errno;
  char piece[64 * 1024];
  while (text.size() <= most) {
    const auto got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return EFBIG;
}

}  // namespace

LineLog::LineLog(std::string file, std::string head, const Journal& journal, const std::string& run)
    : file_{std::move(file)},
      kind_{std::move(head)},
      head_{run.empty() ? kind_ : kind_ + " " + run},
      journal_{journal} {}

std::map<std::string, std::string> LineLog::read() {
  std::string text;
  if (file_.empty()) return values_;
  const int error = contents(file_, kMostBytes, text);
  if (error == ENOENT) return values_;
  if (error != 0) {
    cannot_be_used(std::strerror(error));
    return values_;
  }
  if (take(text)) return values_;
  former_counts_ = take_former();
  if (!text.empty()) cannot_be_used("its first line is not \"" + kind_ + "\"");
  return values_;
}

bool LineLog::take_former() {
  std::string text;
  if (!outlives_the_host() || contents(file_ + kFormer, kMostBytes, text) != 0 || !take(text)) return false;
  journal_.tell(LogLevel::warning, {.kind = LogKind::record_damaged},
                "{} is empty or damaged, as a loss of power leaves it: {}{} from before it is used; what has "
                "changed since then has to be said again",
                file_, file_, kFormer);
  return true;
}

// Its ctime tells since when the present file is the present one: for so long it may not be on the disk yet,
// and what is on the disk is not given up for it. A file system without links keeps none.
void LineLog::keep_former() {
  const auto former = file_ + kFormer;
  struct stat kept {
  }, present{};
  const bool is_young =
      stat(former.c_str(), &kept) == 0 && std::time(nullptr) - kept.st_ctime < kOnDiskSeconds;
  if (former_counts_ || is_young) {
    (void)chmod(former.c_str(), S_IRUSR | S_IWUSR);  // its ctime is that of the file that comes now
    return;
  }
  if (unusable_ || stat(file_.c_str(), &present) < 0 || present.st_size == 0) return;
  unlink(former.c_str());
  if (link(file_.c_str(), former.c_str()) < 0) return;
}

// False: it is none of ours, or of another version.
bool LineLog::take(std::string_view rest) {
  bool first = true;
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (std::exchange(first, false)) {
      if (line == head_) continue;
      return head_ != kind_ && line.starts_with(kind_ + " ");  // of another run: nothing to keep
    }
    const auto space = line.find(' ');
    const std::string key{line.substr(0, space)};
    if (space == std::string_view::npos)
      values_.erase(key);
    else
      values_.insert_or_assign(key, std::string{line.substr(space + 1)});
  }
  return !first;
}

// It stays where it is until something has to be written: what only could not be read just now is read by the
// next life.
void LineLog::cannot_be_used(const std::string& why) {
  unusable_ = true;
  journal_.tell(
      LogLevel::warning, {.kind = LogKind::record_damaged},
      "{} cannot be used and becomes {}{} with its next change: {}; to have it back, stop bleconnd, "
      "mend it and give it its name again",
      file_, file_, kSetAside, why);
}

void LineLog::put(const std::string& key, const std::string& value) {
  const auto at = values_.find(key);
  const bool is_so = value.empty() ? at == values_.end() : at != values_.end() && at->second == value;
  // What could not be written is tried again with each word about it, also where that changes nothing.
  if (is_so && !owes_) return;
  if (value.empty())
    values_.erase(key);
  else
    values_.insert_or_assign(key, value);
  if (file_.empty()) return;
  const auto line = value.empty() ? key + "\n" : key + " " + value + "\n";
  const bool short_enough =
      lines_ < 2 * values_.size() + kSpareLines && bytes_ + line.size() < 2 * rewritten_ + kSpareBytes;
  owes_ = !(whole_ && short_enough ? append(line) : rewrite());
  if (!owes_ && std::exchange(failing_, false)) journal_.info("{} is written again", file_);
}

bool LineLog::append(std::string_view text) {
  if (!is_there()) return rewrite();
  ++lines_;
  bytes_ += text.size();
  const int error = write_whole(appended_.get(), text);
  if (error == 0) return true;
  say("cannot be written", error);
  whole_ = false;  // a torn line may be its end: the next change writes all of it anew
  return false;
}

// Nobody took it away.
bool LineLog::is_there() const {
  struct stat now {};
  return fstat(appended_.get(), &now) == 0 && now.st_nlink > 0;
}

bool LineLog::rewrite() {
  std::string text = head_ + "\n";
  for (auto& [key, value] : values_) text += key + " " + value + "\n";
  const auto temporary = file_ + ".new";
  Descriptor file{open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                       S_IRUSR | S_IWUSR)};
  int error = file.get() < 0 ? errno : write_whole(file.get(), text);
  if (error == 0 && outlives_the_host()) keep_former();
  const char* trouble = "cannot be written";
  if (error == 0 && (error = set_aside()) != 0)
    trouble = "cannot be used nor set aside (.bad): it is left as it is, and nothing is kept";
  if (error == 0 && rename(temporary.c_str(), file_.c_str()) < 0) error = errno;
  if (error != 0) {
    whole_ = false;
    if (file.get() >= 0) unlink(temporary.c_str());  // the half of it
    say(trouble, error);
    return false;
  }
  appended_ = std::move(file);
  whole_ = true;
  former_counts_ = false;
  lines_ = values_.size();
  bytes_ = rewritten_ = text.size();
  return true;
}

// 0 or an errno.
int LineLog::set_aside() {
  if (unusable_ && rename(file_.c_str(), (file_ + kSetAside).c_str()) < 0 && errno != ENOENT) return errno;
  unusable_ = false;
  return 0;
}

void LineLog::say(const char* what, int error) {
  if (!std::exchange(failing_, true))
    journal_.tell(LogLevel::warning, {.kind = LogKind::record_damaged}, "{} {}: {}", file_, what,
                  std::strerror(error));
}

}  // namespace bleconnd
