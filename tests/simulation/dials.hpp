// ports::DialRecord in memory. It survives a life of the daemon, as the runtime directory does; the rules are
// those of the daemon's own file.
#pragma once
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ports/dial_record.hpp"

namespace bleconnd::simulation {

class Dials final : public DialRecord {
 public:
  void dialling(const std::string& owner, const std::string& path) override {
    const auto of_another = [&](const auto& entry) { return entry.second.owner != owner; };
    std::erase_if(former_, of_another);
    std::erase_if(own_, of_another);
    own_[path] = {.owner = owner};
  }
  void linked(const std::string& path) override {
    own_.at(path).linked = true;
    former_.erase(path);
  }
  void ended(const std::string& path) override {
    if (own_.erase(path) == 0) former_.erase(path);
  }
  void outlived(const std::string& path) override {
    if (auto own = own_.extract(path)) former_.insert_or_assign(path, own.mapped());
  }
  void cleared(const std::string& path) override { former_.erase(path); }
  std::vector<std::string> left_behind() const override {
    std::vector<std::string> all;
    for (auto& [path, entry] : former_) all.push_back(path);
    return all;
  }
  bool dial_left_behind(const std::string& owner, const std::string& path) const override {
    auto at = former_.find(path);
    return at != former_.end() && at->second.owner == owner && !at->second.linked;
  }
  bool link_left_behind(const std::string& owner, const std::string& path) const override {
    auto at = former_.find(path);
    return at != former_.end() && at->second.owner == owner;
  }

  void next_life() {
    former_.merge(own_);
    own_.clear();
  }
  std::set<std::string> paths() const {
    std::set<std::string> all;
    for (auto* each : {&own_, &former_})
      for (auto& [path, entry] : *each) all.insert(path);
    return all;
  }
  std::size_t size() const { return own_.size(); }  // of this life

 private:
  struct Entry {
    std::string owner = {};
    bool linked = false;
  };
  std::map<std::string, Entry> own_, former_;  // by path
};

}  // namespace bleconnd::simulation
