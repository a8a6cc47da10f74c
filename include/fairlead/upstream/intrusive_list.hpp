// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace fairlead::upstream {

/// A place in one list at a time; leaves it when destroyed.
/// Owner: the object that it is part of. Thread: one.
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  [[nodiscard]] bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!linked()) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T>
  friend class List;
  void link_between(ListNode& before, ListNode& after) {
    unlink();
    previous_ = &before;
    next_ = &after;
    before.next_ = after.previous_ = this;
  }
  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

/// A list of T, which derive from ListNode: no allocation, constant time; an element moves here from its old list.
/// Owner: a pool. Thread: one.
template <class T>
class List {
 public:
  List() { head_.next_ = head_.previous_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) front()->ListNode::unlink();
    head_.next_ = head_.previous_ = nullptr;
  }

  [[nodiscard]] bool empty() const { return head_.next_ == &head_; }
  [[nodiscard]] T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  [[nodiscard]] T* back() { return empty() ? nullptr : static_cast<T*>(head_.previous_); }
  void push_front(T& element) {
    node(element).unlink();  // it may be the first already
    node(element).link_between(head_, *head_.next_);
  }
  void push_back(T& element) {
    node(element).unlink();  // it may be the last already
    node(element).link_between(*head_.previous_, head_);
  }

 private:
  static ListNode& node(T& element) { return element; }
  ListNode head_;
};

}  // namespace fairlead::upstream
