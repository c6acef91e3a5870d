/** Customers and the addresses they order to. */
namespace py tiffin.users
include "base.thrift"

struct Address {
  1: required string id (doc = "Names this address within its customer.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string label (doc = "What the customer calls it.", min_length = "1", max_length = "60"),
  3: required string street (min_length = "1", max_length = "200"),
  4: required string city (min_length = "1", max_length = "100"),
  5: required base.Place place,
  6: optional string note (doc = "For the courier: floor, bell, gate code.", max_length = "300"),
}

struct Customer {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "100"),
  3: optional string phone (pattern = "^\\+?[0-9 ]{5,20}$"),
  4: required list<Address> addresses (max_items = "50"),
}

struct CreateCustomer {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "100"),
  3: optional string phone (pattern = "^\\+?[0-9 ]{5,20}$"),
  4: optional list<Address> addresses (max_items = "50"),
}

struct CustomerRef {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SaveAddress {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required Address address,
}

struct AddressRef {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string address_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

service Users extends base.Health {
  Customer create(1: base.CallContext context, 2: CreateCustomer request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Register a customer. The same input again gives the same answer.", repeat = "safe"),
  Customer get(1: base.CallContext context, 2: CustomerRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A customer and their addresses.", repeat = "safe"),
  Customer save_address(1: base.CallContext context, 2: SaveAddress request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Add an address, or replace the one with the same id."),
  Customer remove_address(1: base.CallContext context, 2: AddressRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Forget an address."),
}
