// Loss of power in the middle of a pass over the cache's folder, on a disk in memory that keeps no promise
// but fsync's: every file is afterwards what was last reported as done, or something newer, whole.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

#include "cache_stage.hpp"

namespace bleconnd {
namespace {

struct PowerLost {};

// Until the folder is synced each name may still be, or be again, anything that it was since the last time,
// independently of the others. Until a file is synced it may have any start of its text, or zeros.
class DiskInMemory final : public FolderCalls {
 public:
  explicit DiskInMemory(std::mt19937& random) : random_{random} {}

  bool syncs_files = true;
  bool syncs_folders = true;
  int steps_left = -1;  // then the power goes; < 0: never

  int open_folder(const std::string&) override { return step(), kFolder; }
  int lock(int) override { return step(), 0; }
  int create(int, const std::string& name) override {
    step();
    if (now(name)) return -EEXIST;
    open_ = std::make_shared<File>();
    become(name, open_);
    return kFile;
  }
  long write(int, std::string_view text) override {
    step();
    const auto some = 1 + random_() % text.size();
    open_->text += text.substr(0, some);
    return static_cast<long>(some);
  }
  int sync(int what) override {
    step();
    if (random_() % 20 == 0) return -EIO;
    if (what == kFile && syncs_files) open_->synced = open_->text;
    if (what == kFolder && syncs_folders)
      for (auto& [name, was] : names_) was.erase(was.begin(), was.end() - 1);
    return 0;
  }
  int close(int) override { return step(), 0; }
  int rename(int, const std::string& from, const std::string& to) override {
    step();
    auto file = now(from);
    if (!file) return -ENOENT;
    become(to, file);
    become(from, nullptr);
    return 0;
  }
  int unlink(int, const std::string& name) override {
    step();
    if (!now(name)) return -ENOENT;
    become(name, nullptr);
    return 0;
  }
  int remove_folder(int, const std::string&) override { return step(), -ENOTDIR; }
  int list(int, std::vector<std::string>& names) override {
    step();
    for (const auto& [name, was] : names_)
      if (was.back()) names.push_back(name);
    return 0;
  }
  int status(int, const std::string&, Status&) override { return step(), -ENOENT; }

  void lose_power() {
    for (auto& [name, was] : names_) was = {was[random_() % was.size()]};
    for (auto& [name, was] : names_)
      if (was[0] && was[0]->synced != was[0]->text) lose(*was[0]);
  }
  std::optional<std::string> contents(const std::string& name) {
    const auto file = now(name);
    return file ? std::optional{file->text} : std::nullopt;
  }

 private:
  static constexpr int kFolder = 3;
  static constexpr int kFile = 4;
  struct File {
    std::string text;
    std::string synced;
  };
  using FilePtr = std::shared_ptr<File>;

  void step() {
    if (steps_left >= 0 && steps_left-- == 0) throw PowerLost{};
  }
  FilePtr now(const std::string& name) {
    const auto at = names_.find(name);
    return at == names_.end() ? nullptr : at->second.back();
  }
  void become(const std::string& name, FilePtr file) {
    auto& was = names_[name];
    if (was.empty()) was.push_back(nullptr);
    was.push_back(std::move(file));
  }
  void lose(File& file) {
    switch (random_() % 3) {
      case 0:
        file.text.resize(random_() % (file.text.size() + 1));
        break;
      case 1:
        file.text.assign(file.text.size(), '\0');
        break;
      default:
        break;
    }
    file.synced = file.text;
  }

  std::mt19937& random_;
  std::map<std::string, std::vector<FilePtr>> names_;  // what each was since the last sync; the last: now
  FilePtr open_;
};

using Content = std::optional<std::string>;

// Passes with and without losses of power; how often a file was then something that it must not be.
class History {
 public:
  explicit History(unsigned seed) : random_{seed}, disk{random_} {}

  int violations(int passes) {
    int wrong = 0;
    for (int i = 0; i < passes; ++i) wrong += pass();
    return wrong;
  }

 private:
  std::mt19937 random_;

 public:
  DiskInMemory disk;

 private:
  CacheJob job() {
    CacheJob job;
    job.remove_all = random_() % 10 == 0;
    std::set<int> devices;
    for (auto count = random_() % 4; count > 0; --count) devices.insert(static_cast<int>(random_() % 5));
    for (const int number : devices) {
      CacheWish wish{cache_file_name(device(number)), random_() % 8 == 0, nullptr};
      if (random_() % 3 != 0) wish.text = std::make_shared<const std::string>(new_text());
      job.wishes.push_back(std::move(wish));
    }
    return job;
  }

  std::string new_text() {
    ++versions_;
    const auto filler = static_cast<char>('a' + versions_ % 26);
    return std::to_string(versions_) + ':' + std::string(1 + random_() % 50, filler);
  }

  static Content wished(const CacheWish& wish) { return wish.text ? Content{*wish.text} : std::nullopt; }

  int pass() {
    const auto next = job();
    disk.steps_left = random_() % 2 == 0 ? static_cast<int>(random_() % 30) : -1;
    try {
      const auto report = carry_out(next, disk);
      if (next.remove_all) may_be_gone();
      if (next.remove_all && report.remove_all_error == 0)
        for (int number = 0; number < 5; ++number) allowed(number) = {Content{}};
      for (std::size_t i = 0; i < next.wishes.size(); ++i) {
        may_be(next.wishes[i]);
        if (report.errors[i] == 0) allowed_[next.wishes[i].name] = {wished(next.wishes[i])};
      }
    } catch (const PowerLost&) {
      if (next.remove_all) may_be_gone();
      for (const auto& wish : next.wishes) may_be(wish);
      if (random_() % 4 == 0) return 0;  // only the writer was killed
      return look_after_loss();
    }
    if (random_() % 5 == 0) return look_after_loss();  // between two passes
    return 0;
  }

  void may_be_gone() {
    for (int number = 0; number < 5; ++number) allowed(number).insert(Content{});
  }
  void may_be(const CacheWish& wish) {
    auto& states = allowed_.try_emplace(wish.name, std::set<Content>{Content{}}).first->second;
    states.insert(wished(wish));
    if (wish.set_aside) states.insert(Content{});
  }

  int look_after_loss() {
    disk.lose_power();
    int wrong = 0;
    for (int number = 0; number < 5; ++number) {
      const auto found = disk.contents(cache_file_name(device(number)));
      wrong += !allowed(number).contains(found);
      allowed(number) = {found};
    }
    return wrong;
  }

  std::set<Content>& allowed(int number) {
    return allowed_.try_emplace(cache_file_name(device(number)), std::set<Content>{Content{}}).first->second;
  }

  std::map<std::string, std::set<Content>> allowed_;
  int versions_ = 0;
};

TEST(CachePower, EveryFileIsTheLastOrANewerOneWhole) {
  for (unsigned seed = 0; seed < 2000; ++seed) ASSERT_EQ(History{seed}.violations(40), 0) << "seed " << seed;
}

// The disk would notice a writer that leaves out a sync.
TEST(CachePower, WithoutASyncFilesAreLost) {
  int without_files = 0;
  int without_folders = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    History files{seed};
    files.disk.syncs_files = false;
    without_files += files.violations(40);
    History folders{seed};
    folders.disk.syncs_folders = false;
    without_folders += folders.violations(40);
  }
  EXPECT_GT(without_files, 100);
  EXPECT_GT(without_folders, 100);
}

}  // namespace
}  // namespace bleconnd
