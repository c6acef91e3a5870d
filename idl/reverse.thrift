/** Undoing: what of an order goes back, to whom, and who bears it. */
namespace py tiffin.reverse
include "base.thrift"
include "ledger.thrift"

struct CaseLine {
  1: required i32 line (doc = "Which line of the order, from 0.", ge = "0", le = "99"),
  2: required i32 quantity (ge = "1", le = "99"),
}

/** What a case asks for. Of lines and amount at most one; neither: the whole order, or of a late one its fees. */
struct QuoteCase {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string kind (one_of = "cancel missing_items wrong_items late never_arrived quality cannot_supply courier_failure operator_decision"),
  3: optional list<CaseLine> lines (min_items = "1", max_items = "100"),
  4: optional base.Money amount,
  5: optional string liable (doc = "Who bears an operator's decision.", one_of = "restaurant courier platform"),
}

struct OpenCase {
  1: required string idempotency_key (doc = "The caller's own name for this case: the same key never makes a second one of the order.",
                                      pattern = "^[\\x21-\\x7e]{1,100}$"),
  2: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  3: required string kind (one_of = "cancel missing_items wrong_items late never_arrived quality cannot_supply courier_failure operator_decision"),
  4: optional list<CaseLine> lines (min_items = "1", max_items = "100"),
  5: optional base.Money amount,
  6: optional string liable (doc = "Who bears an operator's decision.", one_of = "restaurant courier platform"),
  7: optional base.Money expected_refund (doc = "What the quote said; another outcome is refused with the new one."),
  8: optional string note (doc = "What happened.", max_length = "1000"),
  9: optional list<string> pictures (doc = "Where they are kept.", max_items = "10"),
}

struct Share {
  1: required string party (one_of = "customer restaurant courier platform subsidy"),
  2: required base.Money amount (doc = "What the case gives them; below zero, what they bear."),
}

/** What a case does once it is approved. Fixed when it is opened. */
struct CaseOutcome {
  1: required base.Money refund (doc = "What the customer gets."),
  2: required string back_to (doc = "Where it goes: the payment, or what the platform owes the customer.", one_of = "payment balance nowhere"),
  3: required bool ends_order (doc = "The order is called off."),
  4: required list<Share> shares (doc = "What goes to whom, and who bears it."),
  5: required i32 policy (doc = "The version of the rules: that of the moment when the order was placed."),
  6: optional list<ledger.Posting> postings (doc = "The ledger's entry, account by account. For operators."),
}

struct CaseQuote {
  1: required string order_id,
  2: required string kind (one_of = "cancel_before_acceptance free_cancel cancel_later missing_items wrong_items late never_arrived quality cannot_supply courier_failure operator_decision"),
  3: required CaseOutcome outcome,
  4: required string answered_by (doc = "Who has to agree.", one_of = "nobody restaurant operator"),
}

struct Evidence {
  1: required string role (one_of = "customer restaurant operator"),
  2: required string at,
  3: optional string note,
  4: optional list<string> pictures,
}

struct Case {
  1: required string id (pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
  2: required string order_id,
  3: required string customer_id,
  4: required string restaurant_id,
  5: required string kind (one_of = "cancel_before_acceptance free_cancel cancel_later missing_items wrong_items late never_arrived quality cannot_supply courier_failure operator_decision"),
  6: required string state (one_of = "requested approved rejected withdrawn in_arbitration refunding refunded refund_failed closed"),
  7: required i32 version,
  8: required string opened_by (one_of = "customer restaurant operator"),
  9: required CaseOutcome outcome,
  10: required string opened_at,
  11: required string updated_at,
  12: optional string due_at (doc = "When the platform acts by itself if nobody does."),
  13: optional list<CaseLine> lines,
  14: optional list<Evidence> evidence (doc = "Oldest first."),
  15: optional string reason (doc = "Why it stands as it does."),
}

struct CaseRef {
  1: required string case_id (pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
}

struct AdvanceCase {
  1: required string case_id (pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
  2: required string event (doc = "What is said of it, as in the state table.", max_length = "40"),
  3: optional string note (max_length = "1000"),
  4: optional list<string> pictures (doc = "Where they are kept.", max_items = "10"),
}

struct ListCases {
  1: optional string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: optional string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  4: optional string state (doc = "Only cases in this state.", one_of = "requested approved rejected withdrawn in_arbitration refunding refunded refund_failed closed"),
  5: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "200"),
  6: optional i32 limit = 20 (ge = "1", le = "200"),
}

struct CasePage {
  1: required list<Case> cases (doc = "Newest first; of those that wait, the most urgent first."),
  2: optional string next_cursor (doc = "Not given on the last page."),
}

/** What the log says about cases. */
struct CaseEvent {
  1: required string case_id,
  2: required string order_id,
  3: required i32 version,
  4: required string type (doc = "Such as case.approved."),
  5: optional string from_state,
  6: required string to_state,
  7: required base.Caller actor,
  8: optional string reason,
  9: required string at,
  10: required string request_id,
  11: required string customer_id,
  12: required string restaurant_id,
  13: required string kind,
  14: required base.Money refund,
}

service Reverse extends base.Health {
  CaseQuote quote(1: base.CallContext context, 2: QuoteCase request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a case would do now: what goes to whom, and who bears it.", repeat = "safe"),
  Case open(1: base.CallContext context, 2: OpenCase request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Open a case. What its quote says is what it does.", repeat = "safe"),
  Case get(1: base.CallContext context, 2: CaseRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A case, for those who have to do with it.", repeat = "safe"),
  Case advance(1: base.CallContext context, 2: AdvanceCase request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Move a case along an edge of its state table. The same request again (by its request id) is answered with the case as it is."),
  CasePage list_cases(1: base.CallContext context, 2: ListCases request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Cases of one customer, one restaurant or one order; of operators also all that wait in a state.", repeat = "safe"),
  base.OrderIds unsettled(1: base.CallContext context, 2: base.OrderIds request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Those of these orders that have a case which is not over. For the platform's own parts.", repeat = "safe"),
}
