/** Payments for orders: by card through a provider, out of a customer's balance, in cash. */
namespace py tiffin.payments
include "base.thrift"

struct PayOrder {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: optional string source (doc = "The provider's token for the customer's card; of other methods none.", pattern = "^[A-Za-z0-9_.:-]{1,100}$"),
  3: optional string key (doc = "The caller's own name for this payment: the same key never makes a second one.",
                          pattern = "^[\\x21-\\x7e]{1,100}$"),
  4: optional base.Money amount (doc = "A part of the total, with a key; not given: all that is left to be paid."),
  5: optional string method (doc = "Not given: by card. Balance: out of what the platform owes the customer.",
                             one_of = "card balance"),
}

struct Payment {
  1: required string id,
  2: required string order_id,
  3: required base.Money amount,
  4: required string state (doc = "pending: the provider has not decided, or its answer is not known yet.",
                            one_of = "pending authorised capturing succeeded voiding voided declined refunding refunded"),
  5: optional string decline_reason,
  6: required string created_at,
  7: required string updated_at,
  8: optional string method (one_of = "card cash balance"),
  9: optional base.Money captured (doc = "What has been taken."),
  10: optional base.Money refunding (doc = "What is on its way back."),
  11: optional base.Money refunded (doc = "What the customer has back; with `refunding` never more than `captured`."),
}

struct PaymentRef {
  1: required string payment_id (pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
}

/** Give some of an order's money back. */
struct RefundPayment {
  1: optional string order_id (doc = "This, or a payment.", pattern = "^[1-9][0-9]{0,18}$"),
  2: optional string payment_id (doc = "Out of this one; not given: out of the order's payments, the last one first.",
                                 pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
  3: required base.Money amount,
  4: required string key (doc = "The caller's own name for this refund: the same key never makes a second one of the order.",
                          pattern = "^[\\x21-\\x7e]{1,100}$"),
  5: optional string reason (max_length = "200"),
  6: optional string to (doc = "Not given: to where it came from; cash, to the customer's balance.", one_of = "balance"),
}

struct RefundPart {
  1: required string payment_id,
  2: required base.Money amount,
  3: required string state (one_of = "pending succeeded failed"),
  4: optional string failure (doc = "Why the provider gives nothing back."),
  5: optional string to (doc = "To the customer's card, or to what the platform owes them.", one_of = "card balance"),
}

struct Refund {
  1: required string id,
  2: required string order_id,
  3: required base.Money amount,
  4: required string state (doc = "pending: not every part is through; failed: none is open, and at least one has failed.",
                            one_of = "pending succeeded failed"),
  5: required list<RefundPart> parts (doc = "One a payment that it comes out of."),
  6: required string key,
  7: optional string reason,
  8: required string created_at,
  9: required string updated_at,
}

struct RefundRef {
  1: required string refund_id (pattern = "^[1-9][0-9]{0,18}-[A-Za-z0-9_.]{1,32}$"),
}

struct PaymentsOf {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
}

struct PaymentList {
  1: required list<Payment> payments (doc = "Oldest first."),
  2: optional base.Money captured (doc = "What has been taken for the order."),
  3: optional base.Money refunding,
  4: optional base.Money refunded,
  5: optional list<Refund> refunds (doc = "Oldest first."),
}

struct ProviderNotice {
  1: required string body (doc = "The notice exactly as the provider sent it.", max_length = "65536"),
  2: required string signature (doc = "The provider's signature of the body.", max_length = "500"),
}

struct NoticeTaken {
  1: required bool known (doc = "False: no payment of ours; taken all the same, so it is not sent again."),
}

/** What the log says about payments. */
struct PaymentEvent {
  1: required string payment_id,
  2: required string order_id,
  3: required i32 version,
  4: required string type (one_of = "payment.started payment.authorised payment.capture_started payment.succeeded payment.void_started payment.voided payment.declined payment.collected payment.refund_started payment.refunded payment.refund_failed"),
  5: required base.Money amount (doc = "The payment's own; of a refund, see `refund_amount`."),
  6: required string at,
  7: required string request_id,
  8: optional string reason,
  9: optional string customer_id,
  10: optional string provider (doc = "Whose client moved the money."),
  11: optional string refund_id (doc = "Of refund_started, refunded and refund_failed."),
  12: optional base.Money refund_amount (doc = "What of the refund comes out of this payment."),
  13: optional string refund_provider (doc = "Who gives it back, where that is not `provider`."),
}

service Payments extends base.Health {
  Payment pay(1: base.CallContext context, 2: PayOrder request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Charge the customer for an order that awaits payment. Repeating it never charges twice."),
  Payment capture_payment(1: base.CallContext context, 2: PaymentRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Take what has been authorised. Again: the payment as it is.", repeat = "safe"),
  Payment void_payment(1: base.CallContext context, 2: PaymentRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Let go of what has been authorised. Again: the payment as it is.", repeat = "safe"),
  Refund refund(1: base.CallContext context, 2: RefundPayment request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Give some of an order's money back, never more than was taken and is not on its way back. Repeating a key answers the refund as it is.", repeat = "safe"),
  Refund find_refund(1: base.CallContext context, 2: RefundRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "How a refund stands.", repeat = "safe"),
  PaymentList list_payments(1: base.CallContext context, 2: PaymentsOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Every payment tried for an order.", repeat = "safe"),
  NoticeTaken take_notice(1: base.CallContext context, 2: ProviderNotice request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A provider's signed notice about a payment.", repeat = "safe"),
  base.OrderIds unsettled(1: base.CallContext context, 2: base.OrderIds request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Those of these orders that have a payment or a refund on its way. For the platform's own parts.", repeat = "safe"),
}
