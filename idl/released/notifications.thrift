/** Messages to people: what is said to whom, in which language, when, and what became of it. */
namespace py tiffin.notifications
include "base.thrift"

struct MessageVariable {
  1: required string name (pattern = "^[a-z][a-z0-9_]{0,39}$"),
  2: required string value (doc = "As the template declares it: text, or money as `1250 EUR` (minor units).", max_length = "500"),
  3: optional bool secret = false (doc = "Never shown in lists; forgotten as soon as the message has been sent or is over."),
}

struct SendMessage {
  1: required string key (doc = "The caller's own name for this message: the same key never makes a second one to the same person; what was said first stands.",
                          pattern = "^[\\x21-\\x7e]{1,100}$"),
  2: required string template (max_length = "60"),
  3: required string role (doc = "As what the person is addressed.", one_of = "customer restaurant courier operator"),
  4: optional string person_id (doc = "Not given: somebody who has no id yet; then `phone` is needed.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  5: optional string phone (doc = "Where to. Not given: looked up when the message is sent. Forgotten as a secret is.", pattern = "^\\+?[0-9 ]{5,20}$"),
  6: optional string language (doc = "BCP 47, such as es or zh-Hant-TW. Not given: the person's own, else the platform's.", pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"),
  7: required list<MessageVariable> variables (doc = "All that the template declares, and no others.", max_items = "20"),
  8: optional bool urgent = false (doc = "Goes out in quiet hours too. Messages of the kind `security` always do."),
  9: optional i32 expires_in_s = 86400 (doc = "Seconds; a message that has not been sent by then is not sent any more.", ge = "1", le = "2592000"),
  10: optional string order_id (doc = "What it is about.", pattern = "^[1-9][0-9]{0,18}$"),
}

struct Message {
  1: required string key,
  2: required string role (one_of = "customer restaurant courier operator"),
  3: optional string person_id,
  4: optional string order_id,
  5: required string template,
  6: required string kind (one_of = "security order payment"),
  7: required string state (doc = "suppressed: not sent on purpose, see `reason`.", one_of = "waiting sent suppressed failed expired"),
  8: optional string reason (doc = "Why it was not sent, or not yet."),
  9: optional string language (doc = "The language it was sent in."),
  10: optional string text (doc = "As it was sent, secrets masked.", max_length = "4000"),
  11: required i32 attempts (doc = "How often a provider was asked to take it."),
  12: required string created_at,
  13: required string expires_at,
  14: optional string done_at,
}

struct ListMessages {
  1: optional string order_id (doc = "Messages about this order, to anybody.", pattern = "^[1-9][0-9]{0,18}$"),
  2: optional string role (doc = "With `person_id`: messages to this person.", one_of = "customer restaurant courier operator"),
  3: optional string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  4: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "300"),
  5: optional i32 limit = 50 (ge = "1", le = "200"),
}

struct MessagePage {
  1: required list<Message> messages (doc = "Newest first."),
  2: optional string next_cursor (doc = "Not given on the last page."),
}

struct Preferences {
  1: required string role (one_of = "customer restaurant courier operator"),
  2: required string person_id,
  3: optional string language (doc = "BCP 47. Not given: the platform's."),
  4: optional string quiet_from (doc = "Local time. Not given: no quiet hours."),
  5: optional string quiet_until,
  6: optional string time_zone (doc = "IANA name, of the quiet hours."),
  7: required list<string> opt_outs (doc = "Kinds of messages not wanted."),
}

struct PersonRef {
  1: optional string role (doc = "Not given: the caller's own.", one_of = "customer restaurant courier operator"),
  2: required string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SetPreferences {
  1: optional string role (doc = "Not given: the caller's own.", one_of = "customer restaurant courier operator"),
  2: required string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: optional string language (doc = "BCP 47, such as es or zh-Hant-TW. Not given: the platform's.", pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"),
  4: optional string quiet_from (doc = "Local time; goes with `quiet_until` and `time_zone`.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  5: optional string quiet_until (doc = "Local time; earlier than `quiet_from` means the next day.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  6: optional string time_zone (doc = "IANA name, such as America/Bogota.", max_length = "64"),
  7: optional list<string> opt_outs (doc = "Kinds of messages not wanted: order, payment.", max_items = "10"),
}

service Notifications extends base.Health {
  Message send(1: base.CallContext context, 2: SendMessage request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Have a message sent, soon. For the platform's own services. Repeating it never sends a second one.", repeat = "safe"),
  MessagePage list_messages(1: base.CallContext context, 2: ListMessages request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Messages about an order or to a person, and what became of them.", repeat = "safe"),
  Preferences get_preferences(1: base.CallContext context, 2: PersonRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "How a person wants to be written to.", repeat = "safe"),
  Preferences set_preferences(1: base.CallContext context, 2: SetPreferences request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Say how a person wants to be written to. What is not given is unset."),
}
