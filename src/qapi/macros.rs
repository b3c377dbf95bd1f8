//! The macros that declarations are made of.

/// Declares a struct: `"wire-name" field: Type,` for each member, `Option<_>` for an optional one, and
/// `[base: Base]` before the braces for members that it shares with others.
#[macro_export]
macro_rules! qapi_struct {
    ($(#[doc = $doc:expr])* pub struct $name:ident $([$base:ident: $base_ty:ty])? {
        $($(#[doc = $mdoc:expr])* $wire:literal $field:ident: $ty:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                /// The members that it shares with others.
                pub $base: $base_ty,
            )?
            $($(#[doc = $mdoc])* pub $field: $ty,)*
        }

        impl $crate::qapi::QapiObject for $name {
            #[allow(unused_variables)]
            fn visit_members(members: &$crate::qapi::Members<'_>) -> $crate::qapi::QmpResult<Self> {
                Ok($name {
                    $($base: <$base_ty as $crate::qapi::QapiObject>::visit_members(members)?,)?
                    $($field: members.member::<$ty>($wire)?,)*
                })
            }

            #[allow(unused_variables)]
            fn put_members(&self, dict: &mut $crate::qapi::Dict) {
                $(<$base_ty as $crate::qapi::QapiObject>::put_members(&self.$base, dict);)?
                $crate::qapi::reserve_members(dict, &[$($wire),*]);
                $($crate::qapi::put_member(dict, $wire, &self.$field);)*
            }

            #[allow(unused_variables)]
            fn describe_members(
                schema: &mut $crate::qapi::schema::Schema,
                members: &mut Vec<$crate::qapi::schema::MemberInfo>,
            ) {
                $(<$base_ty as $crate::qapi::QapiObject>::describe_members(schema, members);)?
                $(members.push($crate::qapi::member_info::<$ty>(
                    schema,
                    $wire,
                    concat!($($mdoc, "\n"),*),
                ));)*
            }
        }

        $crate::qapi_struct!(@object $name, concat!($($doc, "\n"),*));
    };
    (@object $name:ident, $doc:expr) => {
        impl $crate::qapi::Qapi for $name {
            fn visit(input: $crate::qapi::Input<'_>) -> $crate::qapi::QmpResult<Self> {
                let members = input.members()?;
                let object = <Self as $crate::qapi::QapiObject>::visit_members(&members)?;
                members.finish()?;
                Ok(object)
            }

            fn to_value(&self) -> $crate::qapi::Value {
                let mut dict = $crate::qapi::Dict::new();
                <Self as $crate::qapi::QapiObject>::put_members(self, &mut dict);
                $crate::qapi::Value::Dict(dict)
            }

            fn describe(
                schema: &mut $crate::qapi::schema::Schema,
            ) -> $crate::qapi::schema::TypeName {
                schema.add(stringify!($name), $doc, |schema| {
                    let mut members = Vec::new();
                    <Self as $crate::qapi::QapiObject>::describe_members(schema, &mut members);
                    $crate::qapi::schema::TypeInfo::Object { members, variants: None }
                })
            }
        }
    };
}

/// Declares an event: a struct with `= "NAME"` after its name.
#[macro_export]
macro_rules! qapi_event {
    ($(#[doc = $doc:expr])* pub struct $name:ident = $wire:literal { $($members:tt)* }) => {
        $crate::qapi_struct! { $(#[doc = $doc])* pub struct $name { $($members)* } }

        impl $crate::qapi::QapiEvent for $name {
            const NAME: &'static str = $wire;
        }
    };
}

/// Declares an enum: `"wire-name" Variant,` for each value.
#[macro_export]
macro_rules! qapi_enum {
    ($(#[doc = $doc:expr])* pub enum $name:ident {
        $($(#[doc = $vdoc:expr])* $wire:literal $variant:ident,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $vdoc])* $variant,)*
        }

        $crate::qapi_enum!(@of $name, stringify!($name), concat!($($doc, "\n"),*), {
            $($(#[doc = $vdoc])* $wire $variant,)*
        });

        impl $name {
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $wire,)*
                }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($wire => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
    // For an enum that is declared elsewhere in the workspace.
    (impl $name:ident as $wire_name:literal, $doc:literal, { $($wire:literal $variant:ident,)* }) => {
        $crate::qapi_enum!(@of $name, $wire_name, $doc, { $($wire $variant,)* });
    };
    (@of $name:ident, $wire_name:expr, $doc:expr, {
        $($(#[doc = $vdoc:expr])* $wire:literal $variant:ident,)*
    }) => {
        impl $crate::qapi::Qapi for $name {
            fn visit(input: $crate::qapi::Input<'_>) -> $crate::qapi::QmpResult<Self> {
                let text = <String as $crate::qapi::Qapi>::visit(input)?;
                match &*text {
                    $($wire => Ok($name::$variant),)*
                    _ => Err($crate::qapi::QmpError::generic(format!(
                        "Parameter '{}' does not accept value '{text}'",
                        input.short_name(),
                    ))),
                }
            }

            fn to_value(&self) -> $crate::qapi::Value {
                $crate::qapi::Value::from(match self {
                    $($name::$variant => $wire,)*
                })
            }

            fn describe(
                schema: &mut $crate::qapi::schema::Schema,
            ) -> $crate::qapi::schema::TypeName {
                schema.add($wire_name, $doc, |_| $crate::qapi::schema::TypeInfo::Enum {
                    values: vec![$($wire),*],
                    docs: vec![$(concat!($($vdoc, "\n"),*)),*],
                })
            }
        }
    };
}

/// Declares a flat union: the common members with the tag among them, and for each value of the tag
/// what it adds.
///
/// `pub union Name as NameVariant { base: Base, tag "driver" driver: TagEnum, Raw => RawOptions, }`: the
/// variants have the names of the tag's, and those that are not listed add nothing.
#[macro_export]
macro_rules! qapi_union {
    ($(#[doc = $doc:expr])* pub union $name:ident as $variants:ident {
        base: $base_ty:ty,
        tag $tag_wire:literal $tag:ident: $tag_ty:ident,
        $($wire:literal $variant:ident => $ty:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// The common members, the tag among them.
            pub base: $base_ty,
            /// What the value of the tag adds.
            pub u: $variants,
        }

        #[doc = concat!("What the tag of [`", stringify!($name), "`] adds.")]
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, missing_docs)]
        pub enum $variants {
            $($variant(Box<$ty>),)*
            /// Nothing.
            Nothing,
        }

        impl $crate::qapi::QapiObject for $name {
            fn visit_members(members: &$crate::qapi::Members<'_>) -> $crate::qapi::QmpResult<Self> {
                let base = <$base_ty as $crate::qapi::QapiObject>::visit_members(members)?;
                #[allow(unreachable_patterns)]
                let u = match base.$tag {
                    $($tag_ty::$variant => $variants::$variant(Box::new(
                        <$ty as $crate::qapi::QapiObject>::visit_members(members)?,
                    )),)*
                    _ => $variants::Nothing,
                };
                Ok($name { base, u })
            }

            fn put_members(&self, dict: &mut $crate::qapi::Dict) {
                <$base_ty as $crate::qapi::QapiObject>::put_members(&self.base, dict);
                match &self.u {
                    $($variants::$variant(members) => {
                        <$ty as $crate::qapi::QapiObject>::put_members(members, dict);
                    })*
                    $variants::Nothing => {}
                }
            }

            fn describe_members(
                schema: &mut $crate::qapi::schema::Schema,
                members: &mut Vec<$crate::qapi::schema::MemberInfo>,
            ) {
                <$base_ty as $crate::qapi::QapiObject>::describe_members(schema, members);
            }
        }

        impl $crate::qapi::Qapi for $name {
            fn visit(input: $crate::qapi::Input<'_>) -> $crate::qapi::QmpResult<Self> {
                let members = input.members()?;
                let object = <Self as $crate::qapi::QapiObject>::visit_members(&members)?;
                members.finish()?;
                Ok(object)
            }

            fn to_value(&self) -> $crate::qapi::Value {
                let mut dict = $crate::qapi::Dict::new();
                <Self as $crate::qapi::QapiObject>::put_members(self, &mut dict);
                $crate::qapi::Value::Dict(dict)
            }

            fn describe(
                schema: &mut $crate::qapi::schema::Schema,
            ) -> $crate::qapi::schema::TypeName {
                let doc = concat!($($doc, "\n"),*);
                schema.add(stringify!($name), doc, |schema| {
                    let mut members = Vec::new();
                    <Self as $crate::qapi::QapiObject>::describe_members(schema, &mut members);
                    let tags = <$tag_ty as $crate::qapi::Qapi>::describe(schema);
                    let listed = [$(($wire, <$ty as $crate::qapi::Qapi>::describe(schema)),)*];
                    let nothing = <() as $crate::qapi::Qapi>::describe(schema);
                    $crate::qapi::schema::TypeInfo::Object {
                        members,
                        variants: Some(schema.variants($tag_wire, &tags, &listed, &nothing)),
                    }
                })
            }
        }
    };
}

/// Declares one of several types, told apart by what they look like:
/// `object Definition(BlockdevOptions), string Reference(String), null None(Null),`.
#[macro_export]
macro_rules! qapi_alternate {
    ($(#[doc = $doc:expr])* pub enum $name:ident {
        $($(#[doc = $vdoc:expr])* $kind:ident $variant:ident($ty:ty),)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[doc = $vdoc])* $variant(Box<$ty>),)*
        }

        impl $crate::qapi::Qapi for $name {
            fn visit(input: $crate::qapi::Input<'_>) -> $crate::qapi::QmpResult<Self> {
                match input.value() {
                    $($crate::qapi_alternate!(@pattern $kind) => Ok($name::$variant(Box::new(
                        <$ty as $crate::qapi::Qapi>::visit(input)?,
                    ))),)*
                    #[allow(unreachable_patterns)]
                    _ => Err(input.no_alternative(stringify!($name))),
                }
            }

            fn to_value(&self) -> $crate::qapi::Value {
                match self {
                    $($name::$variant(value) => <$ty as $crate::qapi::Qapi>::to_value(value),)*
                }
            }

            fn describe(
                schema: &mut $crate::qapi::schema::Schema,
            ) -> $crate::qapi::schema::TypeName {
                schema.add(stringify!($name), concat!($($doc, "\n"),*), |schema| {
                    $crate::qapi::schema::TypeInfo::Alternate {
                        members: vec![$(<$ty as $crate::qapi::Qapi>::describe(schema)),*],
                    }
                })
            }
        }
    };
    (@pattern object) => { $crate::qapi::Value::Dict(_) };
    (@pattern string) => { $crate::qapi::Value::Str(_) };
    (@pattern null) => { $crate::qapi::Value::Null };
    (@pattern array) => { $crate::qapi::Value::List(_) };
    (@pattern boolean) => { $crate::qapi::Value::Bool(_) };
    (@pattern integer) => { $crate::qapi::Value::Num(_) };
}
