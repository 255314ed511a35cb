//! Two files that import each other, one of them through what this file re-exports and a macro declares.

macro_rules! names {
    ($then:ident) => {
        $then! { listed: Listed; }
    };
}

macro_rules! modules {
    ($($module:ident: $name:ident;)*) => {
        $(
            mod $module;
            pub use $module::$name;
        )*
    };
}
names!(modules);

mod alone;
mod plain;

pub use plain::Plain;
