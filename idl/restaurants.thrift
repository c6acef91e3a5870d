/** Restaurants: menus, opening hours, stock; prices baskets and holds portions for orders. */
namespace py tiffin.restaurants
include "base.thrift"

struct OptionChoice {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required i64 price (doc = "Minor units added to the dish's price.", ge = "0", le = "100000000"),
}

struct MenuItem {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "200"),
  3: required i64 price (doc = "Minor units of the restaurant's currency.", ge = "0", le = "100000000"),
  4: optional string category (max_length = "100"),
  5: optional string description (max_length = "1000"),
  6: optional list<OptionChoice> options (doc = "Extras a customer may add; each at most once a portion.", max_items = "50"),
  7: optional bool available = true (doc = "False takes the dish off sale without losing it."),
  8: optional bool limited = false (doc = "True: only as many portions as the stock says. False: as many as are wanted."),
}

struct OpeningHours {
  1: required i32 weekday (doc = "0 is Monday.", ge = "0", le = "6"),
  2: required string opens (doc = "Local time.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  3: required string closes (doc = "Local time; 24:00 is the end of the day; earlier than `opens` means the next day.",
                             pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
}

struct Restaurant {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required string time_zone (doc = "IANA name, such as America/Bogota.", max_length = "64"),
  5: required base.Place place,
  6: required i64 delivery_fee (doc = "Minor units.", ge = "0", le = "100000000"),
  7: required i64 minimum_subtotal (doc = "Minor units; a smaller basket is refused.", ge = "0", le = "100000000"),
  8: required list<OpeningHours> hours (doc = "No hours: never open.", max_items = "50"),
  9: required bool accepting_orders (doc = "False: closed for now, whatever the hours say."),
  10: required i32 menu_version (doc = "Goes up with every change of the menu."),
}

struct CreateRestaurant {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required string time_zone (max_length = "64"),
  5: required base.Place place,
  6: required i64 delivery_fee (ge = "0", le = "100000000"),
  7: required i64 minimum_subtotal (ge = "0", le = "100000000"),
  8: required list<OpeningHours> hours (max_items = "50"),
}

struct RestaurantRef {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct ListRestaurants {
  1: optional string cursor (max_length = "200"),
  2: optional i32 limit = 20 (ge = "1", le = "200"),
}

struct RestaurantPage {
  1: required list<Restaurant> restaurants,
  2: optional string next_cursor,
}

struct SetHours {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<OpeningHours> hours (max_items = "50"),
}

struct SetAccepting {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required bool accepting_orders,
}

struct SetMenu {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<MenuItem> items (doc = "The whole menu; what is not in it is gone.", max_items = "2000"),
}

struct Menu {
  1: required string restaurant_id,
  2: required string currency,
  3: required i32 version,
  4: required list<MenuItem> items,
}

struct AddStock {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string item_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: required i32 quantity (doc = "Portions to add; negative takes portions off, never below what is held or sold.",
                            ge = "-1000000", le = "1000000"),
}

struct StockLevel {
  1: required string item_id,
  2: required i32 on_hand (doc = "Portions not sold yet, held ones included."),
  3: required i32 held (doc = "Portions promised to orders that are not settled yet."),
}

struct Stock {
  1: required string restaurant_id,
  2: required list<StockLevel> items,
}

struct BasketLine {
  1: required string item_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required i32 quantity (ge = "1", le = "99"),
  3: optional list<string> options (doc = "Ids of the chosen options.", max_items = "20"),
}

struct PriceBasket {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<BasketLine> lines (min_items = "1", max_items = "100"),
  3: required string at (doc = "The moment the restaurant has to be open, RFC 3339."),
}

struct PricedLine {
  1: required string item_id,
  2: required string name,
  3: required i32 quantity,
  4: required i64 unit_price (doc = "Minor units: one portion with its options."),
  5: required i64 total (doc = "Minor units."),
  6: optional list<string> options (doc = "Names of the chosen options."),
}

struct PricedBasket {
  1: required string restaurant_id,
  2: required string currency,
  3: required list<PricedLine> lines,
  4: required i64 subtotal (doc = "Minor units."),
  5: required i64 delivery_fee (doc = "Minor units."),
  6: required i64 total (doc = "Minor units: subtotal and delivery fee."),
  7: required list<string> limited_items (doc = "Dishes of this basket that need portions held."),
  8: required i32 menu_version,
}

struct HoldLine {
  1: required string item_id,
  2: required i32 quantity,
}

struct HoldStock {
  1: required string restaurant_id,
  2: required string order_id,
  3: required list<HoldLine> lines,
  4: required i64 expires_in_ms (doc = "After this a hold that nobody settled is void."),
}

struct HoldRef {
  1: required string order_id,
}

struct Empty {
}

service Restaurants extends base.Health {
  Restaurant create(1: base.CallContext context, 2: CreateRestaurant request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Register a restaurant. The same input again gives the same answer.", repeat = "safe"),
  Restaurant get(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A restaurant.", repeat = "safe"),
  RestaurantPage list_all(1: base.CallContext context, 2: ListRestaurants request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Restaurants, by id.", repeat = "safe"),
  Restaurant set_hours(1: base.CallContext context, 2: SetHours request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the opening hours."),
  Restaurant set_accepting(1: base.CallContext context, 2: SetAccepting request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Stop or resume taking orders."),
  Menu set_menu(1: base.CallContext context, 2: SetMenu request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the menu."),
  Menu get_menu(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The menu.", repeat = "safe"),
  Stock add_stock(1: base.CallContext context, 2: AddStock request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Add portions of a limited dish, or take some off."),
  Stock get_stock(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Portions of the limited dishes.", repeat = "safe"),
  PricedBasket price(1: base.CallContext context, 2: PriceBasket request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a basket costs at this restaurant; refused if it is closed then or a dish is not to be had.", repeat = "safe"),
  Empty hold(1: base.CallContext context, 2: HoldStock request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Promise portions to an order. All of them or none.", repeat = "safe"),
  Empty sell(1: base.CallContext context, 2: HoldRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The order stands: its held portions are sold. Again is the same.", repeat = "safe"),
  Empty release(1: base.CallContext context, 2: HoldRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The order fell: its portions, held or sold, go back. Again is the same.", repeat = "safe"),
}
