// Scope: the owner of root tasks. A task spawned here starts from the ready queue, ends by itself or with the
// scope; nothing is detached.
#pragma once
#include <coroutine>
#include <cstddef>
#include <exception>
#include <list>
#include <utility>

#include "async/executor.hpp"
#include "async/task.hpp"

namespace bleconnd {

class Scope {
 public:
  explicit Scope(Executor& executor) : executor_{executor} {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    while (!roots_.empty()) {
      auto root = roots_.front();
      executor_.forget(root);
      root.destroy();  // its promise takes itself off the list
    }
  }

  void spawn(Task<Unit> task) { drive(*this, std::move(task)); }
  std::size_t size() const { return roots_.size(); }

 private:
  struct Root {
    struct promise_type {
      promise_type(Scope& owner, Task<Unit>&) : scope{owner} {
        at =
            scope.roots_.insert(scope.roots_.end(), std::coroutine_handle<promise_type>::from_promise(*this));
      }
      ~promise_type() { scope.roots_.erase(at); }
      Root get_return_object() {
        scope.executor_.post(*at);
        return {};
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }  // the frame goes by itself
      void return_void() {}
      void unhandled_exception() noexcept { std::terminate(); }
      Scope& scope;
      std::list<std::coroutine_handle<>>::iterator at;
    };
  };
  static Root drive(Scope& scope, Task<Unit> task);

  Executor& executor_;
  std::list<std::coroutine_handle<>> roots_;
};

}  // namespace bleconnd
