// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "fairlead/base/fd.hpp"

namespace fairlead {
namespace {

class ReadFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string made = testing::TempDir() + "read_file_XXXXXX";
    ASSERT_NE(mkdtemp(made.data()), nullptr);
    folder_ = made;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string put(const std::string& text) const {
    std::ofstream(folder_ / "file", std::ios::binary) << text;
    return (folder_ / "file").string();
  }

  std::filesystem::path folder_;
};

TEST_F(ReadFile, GivesAllOfIt) {
  const std::string long_text(300'000, 'x');
  for (const std::string& text : {std::string(), std::string("a\0b\n", 4), long_text}) {
    const auto found = read_file(put(text), long_text.size());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, text);
  }
  const auto without_size = read_file("/proc/self/status", 65536);
  ASSERT_TRUE(without_size);
  EXPECT_TRUE(without_size->starts_with("Name:"));
}

TEST_F(ReadFile, SaysWhatWasFoundInstead) {
  const auto error = [](const std::string& path, std::size_t most = 10, int flags = 0) {
    const auto found = read_file(path, most, flags);
    return found ? Error{"a file", 0} : found.error();
  };
  const auto file = put("0123456789");
  EXPECT_EQ(error(file).message, "a file");
  EXPECT_EQ(error(file, 9).message, "more than 9 bytes");
  EXPECT_EQ(error((folder_ / "none").string()).code, ENOENT);
  EXPECT_EQ(error((folder_ / "none").string()).message, "No such file or directory");
  EXPECT_EQ(error(folder_.string()).message, "a directory");
  const auto pipe = (folder_ / "pipe").string(), link = (folder_ / "link").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error(pipe).message, "what is no regular file");  // and nobody waits for a writer
  std::filesystem::create_symlink(file, link);
  EXPECT_EQ(error(link).message, "a file");
  EXPECT_EQ(error(link, 10, O_NOFOLLOW).code, ELOOP);
}

TEST_F(ReadFile, GivesWhatWasWritten) {
  const std::string text(300'000, 'x');
  const auto path = (folder_ / "written").string();
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(write_all(file.get(), text), 0);
  EXPECT_EQ(read_file(path, text.size()), text);
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(write_all(full.get(), text), ENOSPC);
  EXPECT_EQ(write_all(full.get(), ""), 0);
}

}  // namespace
}  // namespace fairlead
