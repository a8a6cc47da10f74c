// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/password.hpp"

#include <gtest/gtest.h>

#include "fairlead/auth/password_checks.hpp"

namespace fairlead::auth {
namespace {

// Made by crypt(3) of "correct horse"; the costs are their least.
constexpr const char* kSlow[] = {
    "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1",
    "$5$rounds=1000$saltsalt$R6e4P8ccT9iMqkYg7Z8YtpId/lfsIfnuPkp8WXposU8",
    "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    "$y$j75$saltsaltsalt$zQziiNee/3jd.PJJvsNgy7GH5uO3HbsUNcQ3Jsopj2B",
};

// Made by argon2(1) of "correct horse".
constexpr const char* kArgon2[] = {
    "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$vcTe528UKu2x47/R4EZ/f7BXX0WIeKJM",
    "$argon2i$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$DNkQM6Eo20GgPk9VcKT6NXOFXc7aqKH5",
    "$argon2d$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$rvsK3rL5tW7qRoDm62qOzPQgbtIOKwD6",
    "$argon2i$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$8fdPdB1S7BeQlKN6e/0CgOEpt8qSeMsi4cuVoDqIz/M",
};

TEST(Password, SlowHashesAreThoseOfCrypt) {
  for (const std::string hash : kSlow) {
    EXPECT_TRUE(is_password_hash(hash)) << hash;
    EXPECT_TRUE(is_slow(hash));
    EXPECT_TRUE(check_password("correct horse", hash)) << hash;
    EXPECT_FALSE(check_password("correct hors", hash)) << hash;
    EXPECT_FALSE(check_password(std::string("correct horse\0x", 15), hash)) << hash;
  }
}

/// Runs a reactor until the check that waits is answered.
bool wait_for(PasswordChecks& checks, event::Reactor& reactor, const std::string& password, const std::string& hash) {
  bool right = false;
  const auto waiter = std::make_shared<Waiter>(reactor, [&](bool answer) {
    right = answer;
    reactor.stop();
  });
  EXPECT_EQ(checks.check(password, hash, waiter), PasswordChecks::Answer::kWait);
  reactor.run();
  return right;
}

TEST(PasswordChecks, RemembersWhatWasRightAndOnlyThat) {
  const auto reactor = event::Reactor::create();
  ASSERT_TRUE(reactor);
  PasswordChecks checks;
  EXPECT_FALSE(checks.remembered("correct horse", kSlow[0]));
  EXPECT_FALSE(wait_for(checks, **reactor, "wrong", kSlow[0]));
  EXPECT_FALSE(checks.remembered("wrong", kSlow[0]));
  EXPECT_TRUE(wait_for(checks, **reactor, "correct horse", kSlow[0]));
  EXPECT_EQ(checks.remembered("correct horse", kSlow[0]), PasswordChecks::Answer::kRight);
  EXPECT_FALSE(checks.remembered("correct horse", kSlow[1]));
  EXPECT_TRUE(wait_for(checks, **reactor, "correct horse", kArgon2[0]));
  EXPECT_EQ(checks.remembered("correct horse", kArgon2[0]), PasswordChecks::Answer::kRight);
  EXPECT_EQ(checks.remembered("secret", hash_password("secret")), PasswordChecks::Answer::kRight);
  EXPECT_EQ(checks.remembered("wrong", hash_password("secret")), PasswordChecks::Answer::kWrong);
}

TEST(PasswordChecks, CallsNobodyWhoHasGone) {
  const auto reactor = event::Reactor::create();
  ASSERT_TRUE(reactor);
  PasswordChecks checks;
  const auto gone = std::make_shared<Waiter>(**reactor, [](bool) { FAIL() << "called after cancel()"; });
  ASSERT_EQ(checks.check("correct horse", kSlow[0], gone), PasswordChecks::Answer::kWait);
  gone->cancel();
  EXPECT_TRUE(wait_for(checks, **reactor, "correct horse", kSlow[1]));  // checked behind it
}

TEST(Password, TakesArgon2WithinBounds) {
  for (const std::string hash : kArgon2) {
    EXPECT_TRUE(is_password_hash(hash)) << hash;
    EXPECT_TRUE(is_slow(hash));
    EXPECT_TRUE(check_password("correct horse", hash)) << hash;
    EXPECT_FALSE(check_password("correct hors", hash)) << hash;
  }
  const std::string tail = "$c2FsdHNhbHQ$vcTe528UKu2x47/R4EZ/f7BXX0WIeKJM";
  EXPECT_TRUE(is_password_hash("$argon2id$v=19$m=262144,t=4,p=16" + tail));
  for (const std::string& bad :
       {"$argon2id$v=19$m=262145,t=1,p=1" + tail, "$argon2id$v=19$m=262144,t=5,p=1" + tail,
        "$argon2id$v=19$m=8,t=131073,p=1" + tail, "$argon2id$v=19$m=1024,t=1,p=17" + tail,
        "$argon2id$v=19$m=15,t=1,p=2" + tail, "$argon2id$v=18$m=256,t=2,p=2" + tail, "$argon2id$m=256,t=2,p=2" + tail,
        "$argon2x$v=19$m=256,t=2,p=2" + tail, "$argon2id$v=19$m=256,t=0,p=2" + tail,
        "$argon2id$v=19$m=256,t=2,p=0" + tail, "$argon2id$v=19$m=-1,t=2,p=2" + tail,
        "$argon2id$v=19$m=99999999999,t=2,p=2" + tail, "$argon2id$v=19$m=256,t=2,p=2,keyid=AA" + tail,
        "$argon2id$v=19$m=256,t=2,p=2" + tail + "=", std::string("$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ"),
        std::string("$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$vcTe528"),
        std::string("$argon2id$v=19$m=256,t=2,p=2$c2Fs$vcTe528UKu2x47/R4EZ/f7BXX0WIeKJM")})
    EXPECT_FALSE(is_password_hash(bad)) << bad;
}

TEST(Password, FastHashTakesTheWholePassword) {
  const auto hash = hash_password("secret");
  EXPECT_FALSE(is_slow(hash));
  EXPECT_NE(hash, hash_password("secret"));
  EXPECT_EQ(hash.find("secret"), std::string::npos);
  EXPECT_TRUE(check_password("secret", hash));
  for (const std::string& wrong :
       {std::string(), std::string("Secret"), std::string("secret "), std::string("secret\0x", 8)})
    EXPECT_FALSE(check_password(wrong, hash)) << wrong;
  EXPECT_FALSE(check_password(std::string(kMostPassword + 1, 'a'), hash_password(std::string(kMostPassword + 1, 'a'))));
}

TEST(Password, KnowsHashesByTheirForm) {
  EXPECT_TRUE(is_password_hash(kSlow[2]));
  for (const auto* bad :
       {"", "secret", "$1$salt$hash", "$2b$04$short", "$6$rounds=1000$saltsalt$", "$6$a b$c", "$y$", "*0"})
    EXPECT_FALSE(is_password_hash(bad)) << bad;
}

}  // namespace
}  // namespace fairlead::auth
