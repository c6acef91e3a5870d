/** The forward flow: an order and its way to the customer. */
namespace py tiffin.orders
include "base.thrift"
include "restaurants.thrift"
include "users.thrift"

struct QuoteRequest {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<restaurants.BasketLine> lines (min_items = "1", max_items = "100"),
  3: optional string scheduled_for (doc = "When it should arrive, RFC 3339; not given: as soon as possible.", max_length = "40"),
  4: optional string address_id (doc = "One of the customer's addresses: the fee is for the way there, and it has to be within the delivery area.",
                                 pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct Quote {
  1: required string restaurant_id,
  2: required list<restaurants.PricedLine> lines,
  3: required base.Money subtotal,
  4: required base.Money delivery_fee,
  5: required base.Money total (doc = "Send this back as `expected_total` to place the order."),
  6: optional string scheduled_for,
  7: optional base.Money small_order_fee (doc = "Part of the total, if the basket is small."),
  8: optional i32 preparation_minutes (doc = "How long the kitchen needs."),
  9: optional i32 distance_m (doc = "From the restaurant to the address, as the crow flies."),
  10: optional i32 travel_minutes (doc = "Estimated from the distance."),
}

struct PlaceOrder {
  1: required string idempotency_key (doc = "The caller's own name for this order: the same key never makes a second one.",
                                      pattern = "^[\\x21-\\x7e]{1,100}$"),
  2: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: required list<restaurants.BasketLine> lines (min_items = "1", max_items = "100"),
  4: required string address_id (doc = "One of the customer's addresses.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  5: required string payment_method (one_of = "cash online"),
  6: required base.Money expected_total (doc = "What the quote said; another price is refused with the new one."),
  7: optional string scheduled_for (doc = "When it should arrive, RFC 3339; not given: as soon as possible.", max_length = "40"),
  8: optional string note (doc = "For the kitchen.", max_length = "500"),
}

struct Order {
  1: required string id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string state (one_of = "awaiting_payment scheduled awaiting_acceptance preparing ready delivering delivered completed cancelled"),
  3: required i32 version (doc = "1 when placed, one more with every event."),
  4: required string customer_id,
  5: required string restaurant_id,
  6: required list<restaurants.PricedLine> lines,
  7: required base.Money subtotal,
  8: required base.Money delivery_fee,
  9: required base.Money total,
  10: required string payment_method (doc = "elsewhere: by a system that the order was taken over from.", one_of = "cash online elsewhere"),
  11: required users.Address address,
  12: required string placed_at,
  13: required string updated_at,
  14: optional string due_at (doc = "When the platform acts by itself if nobody does."),
  15: optional string scheduled_for,
  16: optional string courier_id,
  17: optional string note,
  18: optional string reason (doc = "Why it was cancelled."),
  19: optional base.Money small_order_fee (doc = "Part of the total, if the basket was small."),
}

struct OrderRef {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
}

struct AdvanceOrder {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string event (doc = "What has happened, as in the state table.", max_length = "40"),
  3: optional string reason (max_length = "300"),
  4: optional string courier_id (doc = "For courier_assigned.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  5: optional i32 expected_version (doc = "Refused if the order has moved on since.", ge = "1"),
}

struct ListOrders {
  1: optional string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: optional string state (doc = "Only orders in this state.", one_of = "awaiting_payment scheduled awaiting_acceptance preparing ready delivering delivered completed cancelled"),
  4: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "200"),
  5: optional i32 limit = 20 (ge = "1", le = "200"),
}

struct OrderPage {
  1: required list<Order> orders (doc = "Newest first."),
  2: optional string next_cursor (doc = "Not given on the last page."),
}

struct OrderEvent {
  1: required string order_id,
  2: required i32 version,
  3: required string type (doc = "Such as order.accepted."),
  4: optional string from_state,
  5: required string to_state,
  6: required base.Caller actor,
  7: optional string reason,
  8: required string at,
  9: required string request_id,
  10: required string customer_id,
  11: required string restaurant_id,
  12: optional string courier_id,
}

struct Timeline {
  1: required string order_id,
  2: required list<OrderEvent> events (doc = "Oldest first."),
}

struct OrdersNamed {
  1: required list<string> order_ids (min_items = "1", max_items = "1000"),
}

struct Discount {
  1: required string programme (doc = "Who bears it: the campaign, voucher or membership."),
  2: required i64 amount (doc = "Minor units.", ge = "1"),
}

/** What was agreed about an order's money when it was placed. */
struct OrderTerms {
  1: required string order_id,
  2: required string customer_id,
  3: required string restaurant_id,
  4: required i64 subtotal,
  5: required i64 delivery_fee,
  6: required i64 total (doc = "What the customer pays: subtotal, delivery fee and other fees, less discounts."),
  7: required string currency,
  8: required string payment_method (doc = "elsewhere: its money is none of ours.", one_of = "cash online elsewhere"),
  9: required string placed_at,
  10: optional list<Discount> discounts,
  11: optional i64 small_order_fee (doc = "What a small basket costs more."),
}

struct OrderTermsList {
  1: required list<OrderTerms> orders,
}

struct LegacyLine {
  1: required string name (min_length = "1", max_length = "200"),
  2: required i32 quantity (ge = "1", le = "1000000"),
  3: required i64 unit_price (doc = "Minor units.", ge = "0", le = "1000000000000"),
}

struct LegacyAddress {
  1: required string street (doc = "All of it, where the old system has it as one text.", min_length = "1", max_length = "200"),
  2: optional string city (min_length = "1", max_length = "100"),
  3: optional base.Place place,
}

/** An order as another system has it, whose order it is. */
struct LegacyOrder {
  1: required string legacy_id (doc = "Its id there, valid for ever.", pattern = "^[\\x21-\\x7e]{1,64}$"),
  2: required i64 revision (doc = "Grows with every change there: what is older changes nothing here.", ge = "0"),
  3: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  4: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  5: required string state (one_of = "awaiting_payment scheduled awaiting_acceptance preparing ready delivering delivered completed cancelled"),
  6: required string placed_at (doc = "RFC 3339, with a zone.", max_length = "40"),
  7: required string updated_at (doc = "RFC 3339, with a zone.", max_length = "40"),
  8: required i64 subtotal (doc = "Minor units.", ge = "0", le = "1000000000000"),
  9: required i64 delivery_fee (doc = "Minor units.", ge = "0", le = "1000000000000"),
  10: required i64 total (doc = "Minor units. Whether the sums add up is the old system's affair.", ge = "0", le = "1000000000000"),
  11: required string currency (pattern = "^[A-Z]{3}$"),
  12: required string payment_method (doc = "In the old system's words; here it is paid `elsewhere`.", min_length = "1", max_length = "40"),
  13: optional list<LegacyLine> lines (max_items = "200"),
  14: optional LegacyAddress address,
  15: optional string courier_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  16: optional string reason (doc = "Why it was cancelled.", max_length = "300"),
  17: optional string note (doc = "For the kitchen.", max_length = "500"),
  18: optional string scheduled_for (doc = "RFC 3339; a scheduled order has one.", max_length = "40"),
}

struct AdoptOrders {
  1: required string source (doc = "Names the old system.", pattern = "^[a-z][a-z0-9_-]{0,31}$"),
  2: required list<LegacyOrder> orders (min_items = "1", max_items = "500"),
  3: optional bool repair = false (doc = "Whatever the revisions say: what is here is to be as it is given."),
}

struct AdoptedOrder {
  1: required string legacy_id,
  2: required string outcome (one_of = "made changed same stale refused"),
  3: optional string order_id (doc = "The order's id here, for ever; not given of an order that was refused and is not here."),
  4: optional string code (doc = "Why it was refused, as errors are coded."),
  5: optional string message,
}

struct Adopted {
  1: required list<AdoptedOrder> results (doc = "One for each order, in the same order."),
}

struct LegacyRefs {
  1: required string source (pattern = "^[a-z][a-z0-9_-]{0,31}$"),
  2: required list<string> legacy_ids (min_items = "1", max_items = "500"),
}

struct KnownLegacy {
  1: required string legacy_id,
  2: required string order_id,
  3: required bool held (doc = "Whether the old system decides about it."),
  4: required i64 revision (doc = "Of the old system's, the latest that has come."),
  5: required Order order,
}

struct KnownLegacyList {
  1: required list<KnownLegacy> orders (doc = "Those that there are."),
}

struct AsAdopted {
  1: required string order_id,
  2: required bool held,
  3: required bool erased (doc = "Its customer was forgotten: it has neither address nor note any more."),
  4: required LegacyOrder order,
}

struct AsAdoptedList {
  1: required list<AsAdopted> orders (doc = "Those that there are."),
}

struct ListLegacy {
  1: required string source (pattern = "^[a-z][a-z0-9_-]{0,31}$"),
  2: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "200"),
  3: optional i32 limit = 500 (ge = "1", le = "500"),
}

struct LegacyPage {
  1: required list<string> legacy_ids (doc = "In no order that means anything; each once, if none is added or taken away meanwhile."),
  2: optional string next_cursor (doc = "Not given on the last page. A page may be empty and not the last."),
}

struct OpenLegacy {
  1: required string source (pattern = "^[a-z][a-z0-9_-]{0,31}$"),
  2: optional i32 limit = 500 (ge = "1", le = "500"),
}

struct OpenLegacyDone {
  1: required list<string> order_ids (doc = "Those that changed hands by this call."),
  2: required bool more (doc = "Whether there are others: call again."),
}

struct DisownedOrder {
  1: required string legacy_id,
  2: required string outcome (one_of = "removed absent refused"),
  3: optional string code,
  4: optional string message,
}

struct Disowned {
  1: required list<DisownedOrder> results,
}

service Orders extends base.Health {
  Quote quote(1: base.CallContext context, 2: QuoteRequest request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What an order would cost now. Promises nothing.", repeat = "safe"),
  Order place(1: base.CallContext context, 2: PlaceOrder request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Place an order. The caller is the customer."),
  Order get(1: base.CallContext context, 2: OrderRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "An order, for those who have to do with it.", repeat = "safe"),
  Order advance(1: base.CallContext context, 2: AdvanceOrder request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Move an order along an edge of the state table. The same request again (by its request id) is answered with the order as it is."),
  OrderPage list_orders(1: base.CallContext context, 2: ListOrders request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Orders of one customer or of one restaurant.", repeat = "safe"),
  Timeline timeline(1: base.CallContext context, 2: OrderRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Everything that happened to an order.", repeat = "safe"),
  OrderTermsList terms(1: base.CallContext context, 2: OrdersNamed request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What was agreed about the money of many orders; those that there are. For the platform's own parts.", repeat = "safe"),
  Adopted adopt(1: base.CallContext context, 2: AdoptOrders request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Take over orders of another system, or what has changed of them there; once for each of its ids, however often and in whatever order it is told. For the platform's own parts, as are all that follow.", repeat = "safe"),
  KnownLegacyList legacy(1: base.CallContext context, 2: LegacyRefs request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Which orders the old ids are, and how they are here.", repeat = "safe"),
  AsAdoptedList adopted(1: base.CallContext context, 2: LegacyRefs request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The same in the terms in which they came, for comparing.", repeat = "safe"),
  LegacyPage list_legacy(1: base.CallContext context, 2: ListLegacy request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "All old ids of a source.", repeat = "safe"),
  OpenLegacyDone release(1: base.CallContext context, 2: OpenLegacy request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "From now on the platform decides about orders of this source that have not ended; some at a time.", repeat = "safe"),
  OpenLegacyDone hold(1: base.CallContext context, 2: OpenLegacy request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The way back: the old system decides again.", repeat = "safe"),
  Disowned disown(1: base.CallContext context, 2: LegacyRefs request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Take orders away again that were adopted and about which the old system decides.", repeat = "safe"),
}
