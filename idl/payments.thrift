/** Payments for orders, through a provider. */
namespace py tiffin.payments
include "base.thrift"

struct PayOrder {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string source (doc = "The provider's token for the customer's means of payment.", pattern = "^[A-Za-z0-9_.:-]{1,100}$"),
}

struct Payment {
  1: required string id,
  2: required string order_id,
  3: required base.Money amount,
  4: required string state (doc = "pending: the provider has not decided, or its answer is not known yet.",
                            one_of = "pending succeeded declined refunding refunded"),
  5: optional string decline_reason,
  6: required string created_at,
  7: required string updated_at,
}

struct PaymentsOf {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
}

struct PaymentList {
  1: required list<Payment> payments (doc = "Oldest first."),
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
  4: required string type (one_of = "payment.started payment.succeeded payment.declined payment.refund_started payment.refunded"),
  5: required base.Money amount,
  6: required string at,
  7: required string request_id,
  8: optional string reason,
  9: optional string customer_id,
  10: optional string provider (doc = "Whose client moved the money."),
}

service Payments extends base.Health {
  Payment pay(1: base.CallContext context, 2: PayOrder request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Charge the customer for an order that awaits payment. Repeating it never charges twice."),
  PaymentList list_payments(1: base.CallContext context, 2: PaymentsOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Every payment tried for an order.", repeat = "safe"),
  NoticeTaken take_notice(1: base.CallContext context, 2: ProviderNotice request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A provider's signed notice about a payment.", repeat = "safe"),
}
